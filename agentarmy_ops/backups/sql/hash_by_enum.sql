-- Tables whose rows choose their partition by an enum's hash (as pg_dump.c finds them, to load
-- such rows through the root).
SELECT pg_namespace.nspname AS schema, pg_class.relname AS "table"
FROM pg_partitioned_table
JOIN pg_class ON pg_class.oid = pg_partitioned_table.partrelid
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_namespace.nspname = ANY (%(schemas)s)
  AND pg_partitioned_table.partstrat = 'h'
  AND EXISTS (
      SELECT FROM pg_opclass
      WHERE pg_opclass.oid = ANY (pg_partitioned_table.partclass) AND opcname = 'enum_ops'
  )
ORDER BY 1, 2
