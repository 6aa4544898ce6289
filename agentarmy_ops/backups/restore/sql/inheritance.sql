-- Which tables of the schema inherit from, or are partitions of, which.
SELECT
    child.relname AS child,
    parent.relname AS parent,
    child.relispartition AS is_partition
FROM pg_inherits
JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
JOIN pg_class AS parent ON parent.oid = pg_inherits.inhparent
WHERE child.relkind IN ('r', 'p', 'f')
  AND parent.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
ORDER BY 1, 2
