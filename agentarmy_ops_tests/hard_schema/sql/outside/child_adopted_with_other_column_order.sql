-- As inherited_column_added_later: the restored child has the inherited columns first.
CREATE TABLE adopting_parent (a integer, tenant_id uuid DEFAULT current_setting('app.current_tenant_id')::uuid);
CREATE TABLE adopted_reversed (own text, tenant_id uuid DEFAULT current_setting('app.current_tenant_id')::uuid, a integer);
INSERT INTO adopted_reversed (own, a) VALUES ('own', 1);
ALTER TABLE adopted_reversed INHERIT adopting_parent;
