-- Tables and views of the schema; those of extensions are left out.
SELECT relname AS name, relkind AS kind
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND relkind IN ('r', 'p', 'f', 'v', 'm')
  AND NOT EXISTS (
      SELECT FROM pg_depend
      WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
  )
ORDER BY 1
