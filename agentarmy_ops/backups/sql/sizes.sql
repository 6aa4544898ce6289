-- Of each schema: the relations a dump locks, and the bytes of its tables' pages as of the last
-- vacuum or analyze. With each, how many locks the server has room for (lock.c).
WITH tables AS (
    SELECT
        pg_class.relnamespace,
        pg_class.relkind,
        pg_class.relpages::int8 + coalesce(toast.relpages, 0) AS pages
    FROM pg_class
    LEFT JOIN pg_class AS toast ON toast.oid = pg_class.reltoastrelid
    WHERE pg_class.relkind IN ('r', 'p', 'S', 'm', 'v', 'f')
)
SELECT
    pg_namespace.nspname AS schema,
    count(*) AS relations,
    (coalesce(sum(tables.pages) FILTER (WHERE tables.relkind IN ('r', 'm')), 0)
        * current_setting('block_size')::int8)::int8 AS bytes,
    current_setting('max_locks_per_transaction')::int8
        * (current_setting('max_connections')::int8
            + current_setting('max_prepared_transactions')::int8) AS server_locks
FROM tables
JOIN pg_namespace ON pg_namespace.oid = tables.relnamespace
WHERE pg_namespace.nspname = ANY (%(schemas)s)
GROUP BY 1
