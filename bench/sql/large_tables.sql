-- The empty tables of a large tenant, in the schema of the search path.
DO $$
DECLARE
    policy text := $p$(tenant_id = (current_setting('app.current_tenant_id'))::uuid)$p$;
    name text;
BEGIN
    FOR i IN 1..4 LOOP
        name := format('events_%s', i);
        EXECUTE format('CREATE TABLE %I (
            id bigint NOT NULL,
            tenant_id uuid NOT NULL,
            created_at timestamptz NOT NULL,
            amount numeric(12, 2) NOT NULL,
            label text NOT NULL
        )', name);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant_isolation ON %I USING %s WITH CHECK %s',
            name, policy, policy);
    END LOOP;
END
$$
