SELECT
    rolname::text AS name,
    rolsuper AS is_superuser,
    rolbypassrls AS bypasses_rls,
    pg_has_role(oid, 'pg_read_all_data', 'USAGE') AS reads_all,
    current_setting('default_transaction_read_only')::bool AS read_only
FROM pg_roles
WHERE rolname = current_user
