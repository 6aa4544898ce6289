WITH tags AS (DELETE FROM asset_event_tags WHERE event_id = ANY (%(events)s))
DELETE FROM event_logs WHERE id = ANY (%(events)s)
