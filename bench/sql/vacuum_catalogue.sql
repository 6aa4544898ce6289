-- The tables of the catalogue, which autovacuum would have vacuumed and analyzed by now.
SELECT format('VACUUM ANALYZE pg_catalog.%I', relname)
FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'pg_catalog'::regnamespace AND pg_relation_size(oid) > 0
