SELECT coalesce(start_time, 0), coalesce(end_time, 0), status
FROM runs
WHERE pipeline_name = 'backup_tenants'
