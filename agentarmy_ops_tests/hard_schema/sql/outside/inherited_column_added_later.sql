-- Restores well, yet the columns of the child change their order: a restore has the inherited
-- ones first. The second dump's COPY has them in that order, so its bytes differ.
CREATE TABLE early_parent (a integer, tenant_id uuid DEFAULT current_setting('app.current_tenant_id')::uuid);
CREATE TABLE early_child (own text) INHERITS (early_parent);
ALTER TABLE early_parent ADD COLUMN later integer;
INSERT INTO early_child (a, own, later) VALUES (1, 'own', 2);
