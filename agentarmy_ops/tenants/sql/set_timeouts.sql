SELECT set_config('lock_timeout', %(lock)s, true),
       set_config('statement_timeout', %(statement)s, true)
