-- Tables and sequences of each tenant's schema, most first.
SELECT pg_namespace.nspname::text, count(*)
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
WHERE starts_with(pg_namespace.nspname, %(prefix)s)
  AND pg_class.relkind IN ('r', 'p', 'S')
GROUP BY pg_namespace.nspname
ORDER BY count(*) DESC, pg_namespace.nspname
