-- With what is left of their events; their tags go with them, by the foreign key.
WITH events AS (DELETE FROM event_logs WHERE run_id = ANY (%(runs)s))
DELETE FROM runs WHERE run_id = ANY (%(runs)s)
