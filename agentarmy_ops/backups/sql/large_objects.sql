-- Large objects belong to no schema; no backup holds them.
SELECT count(*) AS count FROM pg_largeobject_metadata
