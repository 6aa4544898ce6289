-- --schema leaves large objects out: after a restore the number points nowhere.
CREATE TABLE attachments (id integer PRIMARY KEY, content oid NOT NULL, tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid);
INSERT INTO attachments VALUES (1, lo_from_bytea(0, 'a large object'));
