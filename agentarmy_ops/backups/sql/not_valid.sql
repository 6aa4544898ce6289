-- Constraints that were declared NOT VALID and never validated, and indexes that are invalid.
SELECT pg_namespace.nspname AS schema, format('%%I on %%I', conname, pg_class.relname) AS name
FROM pg_constraint
JOIN pg_class ON pg_class.oid = pg_constraint.conrelid
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_namespace.nspname = ANY (%(schemas)s) AND NOT pg_constraint.convalidated
UNION ALL
SELECT pg_namespace.nspname, format('index %%I', pg_class.relname)
FROM pg_index
JOIN pg_class ON pg_class.oid = pg_index.indexrelid
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_namespace.nspname = ANY (%(schemas)s) AND NOT pg_index.indisvalid
ORDER BY 1, 2
