-- Events of runs, with whether each is the newest of its kind that Dagster has of an asset's
-- partition (or of an asset without). Of our own assets, partitions that are gone do not count.
-- max(id) by an index, once per event: as a join the planner may read the whole event log.
SELECT
    event.id,
    event.run_id,
    coalesce(event.dagster_event_type = ANY (%(of_the_run)s), false) AS of_the_run,
    (
        event.dagster_event_type = ANY (%(of_assets)s)
            AND (
                event.partition IS NULL
                OR event.asset_key <> ALL (%(our_assets)s)
                OR EXISTS (
                    SELECT FROM dynamic_partitions
                    WHERE partitions_def_name = %(partitions)s
                        AND dynamic_partitions.partition = event.partition
                )
            )
            AND event.id = CASE
                WHEN event.partition IS NULL THEN (
                    SELECT max(other.id) FROM event_logs AS other
                    WHERE other.asset_key = event.asset_key
                        AND other.dagster_event_type = event.dagster_event_type
                        AND other.partition IS NULL
                )
                ELSE (
                    SELECT max(other.id) FROM event_logs AS other
                    WHERE other.asset_key = event.asset_key
                        AND other.dagster_event_type = event.dagster_event_type
                        AND other.partition = event.partition
                )
            END
    ) IS TRUE AS is_newest
FROM event_logs AS event
WHERE event.run_id = ANY (%(runs)s) AND (event.run_id, event.id) > (%(after_run)s, %(after)s)
ORDER BY event.run_id, event.id
LIMIT %(limit)s
