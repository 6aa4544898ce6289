-- The tables of a schema and what isolates their rows. Tables that belong to an extension are
-- the extension's business. A policy counts when, for reading and for writing, it compares
-- tenant_id with the setting; how the template words that is its own choice.
SELECT c.relname AS name,
       c.relrowsecurity AS enabled,
       c.relforcerowsecurity AS forced,
       EXISTS (
           SELECT FROM pg_attribute AS a
           WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
             AND a.atttypid = 'uuid'::regtype
       ) AS has_tenant_id,
       p.oid IS NOT NULL AS has_policy,
       coalesce(
           p.polpermissive AND p.polcmd = '*'
           AND pg_get_expr(p.polqual, c.oid) ~ '\mtenant_id\M'
           AND pg_get_expr(p.polqual, c.oid) ~ '\mapp\.current_tenant_id\M'
           AND coalesce(pg_get_expr(p.polwithcheck, c.oid) ~ '\mtenant_id\M', true)
           AND coalesce(pg_get_expr(p.polwithcheck, c.oid) ~ '\mapp\.current_tenant_id\M', true),
           false
       ) AS policy_isolates
FROM pg_class AS c
LEFT JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polname = 'tenant_isolation'
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (
      SELECT FROM pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY c.relname
