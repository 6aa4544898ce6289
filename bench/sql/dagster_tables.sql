-- Rows and bytes, with indexes and what is stored out of line, of the tables that grow.
SELECT
    (SELECT count(*) FROM runs),
    (SELECT count(*) FROM event_logs),
    (SELECT count(*) FROM asset_event_tags),
    (SELECT count(*) FROM snapshots),
    (SELECT coalesce(sum(octet_length(event)), 0)::int8 FROM event_logs),
    pg_total_relation_size('event_logs'),
    pg_total_relation_size('asset_event_tags'),
    pg_database_size(current_database())
