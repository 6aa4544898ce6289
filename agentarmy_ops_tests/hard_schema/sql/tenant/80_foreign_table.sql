CREATE FOREIGN TABLE far_away (
    id integer OPTIONS (column_name 'the "id"') NOT NULL,
    t text COLLATE "C" DEFAULT 'x' CHECK (t <> ''),
    tenant_id uuid
) SERVER hard_elsewhere OPTIONS (schema_name 's', table_name 'it''s');
COMMENT ON FOREIGN TABLE far_away IS 'out of reach';
COMMENT ON COLUMN far_away.id IS 'remote';
CREATE FOREIGN TABLE far_goods () INHERITS (named) SERVER hard_elsewhere;
