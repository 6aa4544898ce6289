-- What the dumps of all databases have reserved of the server's lock table, and how large it is.
-- pg_locks shows an advisory lock of two integers as (classid, objid) with objsubid 2.
SELECT
    coalesce(sum(objid::int8), 0)::int8 AS locks,
    count(*) AS dumps,
    current_setting('max_locks_per_transaction')::int8
        * (current_setting('max_connections')::int8
            + current_setting('max_prepared_transactions')::int8) AS server_locks,
    current_setting('max_connections')::int8 AS server_connections
FROM pg_locks
WHERE locktype = 'advisory' AND classid = %(lock_class)s AND objsubid = 2 AND objid > 0 AND granted
