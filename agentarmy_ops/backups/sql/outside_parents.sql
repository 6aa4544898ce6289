-- Tables elsewhere whose queries also give rows of tables of the schema: by inheritance, or for
-- which these are partitions.
SELECT DISTINCT inhparent::regclass::text AS parent
FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
JOIN pg_class AS parent ON parent.oid = inhparent
JOIN pg_namespace ON pg_namespace.oid = child.relnamespace
WHERE pg_namespace.nspname = %(schema)s
  AND parent.relnamespace <> child.relnamespace
