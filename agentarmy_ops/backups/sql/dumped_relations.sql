-- What a dump of the whole database locks, besides the catalogue.
SELECT count(*) AS relations
FROM pg_class
WHERE relkind IN ('r', 'p', 'S', 'm', 'v', 'f')
    AND relnamespace <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast']::regnamespace[])
