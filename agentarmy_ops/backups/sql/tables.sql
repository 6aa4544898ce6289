-- Tables with rows of their own, and their row-level security.
SELECT
    pg_namespace.nspname AS schema,
    pg_class.relname AS "table",
    pg_class.relkind = 'r' AS has_rows,
    pg_class.relrowsecurity AS enabled,
    pg_class.relforcerowsecurity AS forced,
    ARRAY(
        SELECT polname::text FROM pg_policy WHERE polrelid = pg_class.oid ORDER BY polname
    ) AS policies
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_namespace.nspname = ANY (%(schemas)s)
  AND pg_class.relkind IN ('r', 'p')
  AND NOT EXISTS (
      SELECT FROM pg_depend
      WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
  )
ORDER BY 1, 2
