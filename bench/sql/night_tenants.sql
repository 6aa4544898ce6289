-- How often each tenant was recorded, and when last.
SELECT partition, count(*), extract(epoch FROM max(timestamp) AT TIME ZONE 'UTC')::float8
FROM event_logs
WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND partition IS NOT NULL
GROUP BY 1
