-- Scratch databases carry the time they were made at in their name.
SELECT count(*)
FROM pg_database
WHERE datname ~ ('^' || %(prefix)s || '\d{8}t\d{6}z_')
  AND substr(datname, length(%(prefix)s) + 1) COLLATE "C" < %(limit)s
