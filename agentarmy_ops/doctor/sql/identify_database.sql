SELECT
    (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
    current_database()::text AS database,
    split_part(current_setting('server_version'), ' ', 1) AS version,
    pg_database_size(current_database()) AS size_bytes,
    current_setting('max_locks_per_transaction')::bigint
    * (
        current_setting('max_connections')::bigint
        + current_setting('max_prepared_transactions')::bigint
    ) AS lock_slots
