-- Columns that could refer to large objects, in a database that has any.
SELECT pg_namespace.nspname AS schema, pg_class.relname AS "table", pg_attribute.attname AS "column"
FROM pg_attribute
JOIN pg_class ON pg_class.oid = pg_attribute.attrelid
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
JOIN pg_type ON pg_type.oid = pg_attribute.atttypid
WHERE pg_namespace.nspname = ANY (%(schemas)s)
  AND pg_class.relkind = 'r'
  AND pg_attribute.attnum > 0
  AND NOT pg_attribute.attisdropped
  AND 'oid'::regtype IN (pg_type.oid, pg_type.typbasetype)
  AND EXISTS (SELECT FROM pg_largeobject_metadata)
ORDER BY 1, 2, 3
