SELECT run_id
FROM event_logs
WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND partition IS NOT NULL
ORDER BY id
LIMIT 1
