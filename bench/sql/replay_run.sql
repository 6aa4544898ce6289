-- A night's run once more, so many seconds later, under another id: its row, its events, and their
-- tags. The newest copy has the largest ids, as a real night would.
WITH run AS (
    INSERT INTO runs (
        run_id, snapshot_id, pipeline_name, status, run_body, partition, partition_set,
        create_timestamp, update_timestamp, start_time, end_time
    )
    SELECT
        %(copy)s::text, snapshot_id, pipeline_name, status, replace(run_body, run_id, %(copy)s::text),
        partition, partition_set,
        create_timestamp + make_interval(secs => %(seconds)s::float8),
        update_timestamp + make_interval(secs => %(seconds)s::float8),
        start_time + %(seconds)s::float8, end_time + %(seconds)s::float8
    FROM runs
    WHERE run_id = %(run)s
),
run_tags_copied AS (
    INSERT INTO run_tags (run_id, key, value)
    SELECT %(copy)s::text, key, value FROM run_tags WHERE run_id = %(run)s
),
events AS (
    SELECT
        *, nextval(pg_get_serial_sequence('event_logs', 'id')) AS copy_id
    FROM (SELECT * FROM event_logs WHERE run_id = %(run)s ORDER BY id) AS ordered
),
events_copied AS (
    INSERT INTO event_logs (
        id, run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition
    )
    SELECT
        copy_id, %(copy)s::text, replace(event, run_id, %(copy)s::text), dagster_event_type,
        timestamp + make_interval(secs => %(seconds)s::float8), step_key, asset_key, partition
    FROM events
)
INSERT INTO asset_event_tags (event_id, asset_key, key, value, event_timestamp)
SELECT
    events.copy_id, tags.asset_key, tags.key, tags.value,
    tags.event_timestamp + make_interval(secs => %(seconds)s::float8)
FROM asset_event_tags AS tags
JOIN events ON events.id = tags.event_id
