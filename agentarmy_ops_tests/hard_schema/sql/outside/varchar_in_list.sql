-- Restores well, yet a second dump reads otherwise: varchar IN (...) is printed as
-- (ARRAY['a'::varchar])::text[], which is read back as ARRAY[('a'::varchar)::text].
-- From the second restore on the text stays as it is.
CREATE TABLE varchar_lists (
    id integer PRIMARY KEY,
    status character varying(20) DEFAULT 'new' CHECK (status IN ('new', 'done')),
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid
);
INSERT INTO varchar_lists VALUES (1, 'new'), (2, 'done');
CREATE INDEX varchar_lists_open ON varchar_lists (id) WHERE status IN ('new', 'done');
CREATE VIEW varchar_lists_view AS SELECT id FROM varchar_lists WHERE status IN ('new', 'done');
CREATE POLICY varchar_lists_policy ON varchar_lists FOR SELECT USING (status IN ('new', 'done'));
