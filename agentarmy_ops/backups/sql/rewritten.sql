-- Tables whose rows the snapshot no longer sees, because TRUNCATE, or an ALTER TABLE that rewrites,
-- was committed after it (mvcc.html, "Caveats"): pg_class is read as of the snapshot,
-- pg_relation_filenode looks at the present.
SELECT pg_namespace.nspname AS schema, pg_class.relname AS "table"
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_namespace.nspname = ANY (%(schemas)s)
  AND pg_class.relkind IN ('r', 'm')
  AND pg_class.relfilenode <> 0
  AND pg_relation_filenode(pg_class.oid) IS DISTINCT FROM pg_class.relfilenode
ORDER BY 1, 2
