-- Schemas with a table that another session has locked against reading, or is waiting to.
SELECT DISTINCT pg_namespace.nspname AS schema
FROM pg_locks
JOIN pg_class ON pg_class.oid = pg_locks.relation
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_locks.locktype = 'relation'
  AND pg_locks.mode = 'AccessExclusiveLock'
  AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND pg_class.relkind IN ('r', 'p')
  AND pg_namespace.nspname = ANY (%(schemas)s)
