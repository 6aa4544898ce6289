-- Tables with rows of their own and a column tenant_id that can be written and may hold a uuid.
SELECT c.relname AS "table"
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
  AND c.relkind = 'r'
  AND a.attname = 'tenant_id'
  AND NOT a.attisdropped
  AND a.attgenerated = ''
  AND (t.typcategory = 'S' OR 'uuid'::regtype IN (t.oid, t.typbasetype))
ORDER BY 1
