-- What is held at this moment of the server, and what dumps have reserved of it.
SELECT
    (SELECT count(*) FROM pg_locks WHERE NOT fastpath),
    (
        SELECT coalesce(sum(objid::int8), 0)::int8 FROM pg_locks
        WHERE locktype = 'advisory' AND classid = %(lock_class)s AND objsubid = 2 AND granted
    ),
    (SELECT count(*) FROM pg_stat_activity WHERE datname = %(database)s),
    (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump')
