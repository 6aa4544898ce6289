-- Some tables belong to other roles.
RESET ROLE;
DO $$
DECLARE
    relation record;
    rule text;
BEGIN
    FOR relation IN
        SELECT c.oid::regclass AS name,
               EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS has_tenant
        FROM pg_class AS c
        WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'tenant_isolation')
        ORDER BY c.relname COLLATE "C"
    LOOP
        rule := CASE
            WHEN relation.has_tenant THEN 'tenant_id = current_setting(''app.current_tenant_id'', true)::uuid'
            ELSE format('current_setting(''app.current_tenant_id'', true) = %L', current_setting('app.current_tenant_id'))
        END;
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', relation.name);
        EXECUTE format('CREATE POLICY tenant_isolation ON %s USING (%s) WITH CHECK (%s)', relation.name, rule, rule);
    END LOOP;
END
$$;
