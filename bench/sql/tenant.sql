-- One tenant of a bench fleet, in the schema of the search path: 12 tables, each with a bigserial
-- key, row-level security, an index, and (but for the first) a foreign key to the one before.
-- The rows come by COPY.
DO $$
DECLARE
    policy text := $p$(tenant_id = (current_setting('app.current_tenant_id'))::uuid)$p$;
    name text;
BEGIN
    FOR i IN 1..12 LOOP
        name := format('records_%s', i);
        EXECUTE format('CREATE TABLE %I (
            id bigserial PRIMARY KEY,
            tenant_id uuid NOT NULL,
            parent_id bigint%s,
            created_at timestamptz NOT NULL DEFAULT now(),
            amount numeric(12, 2) NOT NULL,
            label text NOT NULL
        )', name, CASE WHEN i > 1 THEN format(' REFERENCES records_%s', i - 1) END);
        EXECUTE format('CREATE INDEX ON %I (tenant_id, created_at)', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant_isolation ON %I USING %s WITH CHECK %s',
            name, policy, policy);
        PERFORM setval(pg_get_serial_sequence(name, 'id'), current_setting('bench.rows')::int);
    END LOOP;
END
$$
