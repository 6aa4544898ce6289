-- Who restores, and into what.
SELECT
    current_user::text AS role,
    current_database()::text AS database,
    pg_encoding_to_char(encoding)::text AS encoding,
    current_setting('server_version') AS server_version,
    pg_is_in_recovery() AS is_replica,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    to_regclass('shared.tenants') IS NOT NULL AS has_registry
FROM pg_database
WHERE datname = current_database()
