SELECT
    pg_class.relname::text AS "table",
    CASE WHEN pg_class.reltuples >= 0 THEN pg_class.reltuples::bigint END AS estimated_rows,
    pg_total_relation_size(pg_class.oid) AS total_bytes,
    CASE
        WHEN pg_class.relrowsecurity AND pg_class.relforcerowsecurity THEN 'forced'
        WHEN pg_class.relrowsecurity THEN 'enabled'
        ELSE 'off'
    END AS row_level_security
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE pg_namespace.nspname = %(schema)s
  AND pg_class.relkind IN ('r', 'p')
ORDER BY pg_class.relname COLLATE "C"
