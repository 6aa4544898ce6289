-- Schemas whose comment begins so.
SELECT nspname AS schema, obj_description(oid, 'pg_namespace') AS comment
FROM pg_namespace
WHERE starts_with(obj_description(oid, 'pg_namespace'), %(prefix)s)
ORDER BY nspname
