-- Export the transaction's snapshot and say what moment and what database it shows.
SELECT
    pg_export_snapshot() AS exported,
    now() AS taken_at,
    CASE
        WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn()
    END::text AS lsn,
    current_setting('server_version') AS server_version,
    datname::text AS database,
    pg_encoding_to_char(encoding)::text AS encoding,
    datcollate::text AS collate,
    datctype::text AS ctype,
    current_setting('lc_monetary') AS lc_monetary
FROM pg_database
WHERE datname = current_database()
