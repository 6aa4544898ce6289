-- Runs that ended before a moment, and are of no backfill that is still under way. The end is not
-- known of a run that never began.
SELECT id, run_id
FROM runs
WHERE id > %(after)s
    AND status = ANY (%(ended)s)
    AND coalesce(end_time, extract(epoch FROM update_timestamp AT TIME ZONE 'UTC')) < %(before)s
    AND NOT EXISTS (
        SELECT FROM bulk_actions
        WHERE bulk_actions.key = runs.backfill_id AND bulk_actions.status <> ALL (%(done)s)
    )
ORDER BY id
LIMIT %(limit)s
