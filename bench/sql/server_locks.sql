SELECT current_setting('max_locks_per_transaction')::int8
    * (current_setting('max_connections')::int8
        + current_setting('max_prepared_transactions')::int8)
