SELECT dagster_event_type,
       count(*),
       extract(epoch FROM min(timestamp AT TIME ZONE 'UTC'))::float8,
       extract(epoch FROM max(timestamp AT TIME ZONE 'UTC'))::float8
FROM event_logs
WHERE dagster_event_type IN ('PIPELINE_START', 'PIPELINE_FAILURE')
   OR (dagster_event_type = 'ASSET_MATERIALIZATION' AND partition IS NOT NULL)
GROUP BY 1
