-- Schemas that are named like a tenant's but belong to none: in no tenant's backup, and not in
-- the platform's.
SELECT nspname
FROM pg_namespace
WHERE starts_with(nspname, %(prefix)s)
  AND nspname NOT IN (SELECT schema_name FROM shared.tenants)
ORDER BY nspname
