-- For each table of tenant_hard, a statement that moves its first row to its end. Rules would do
-- something else, and modern holds a row that its own constraint, never validated, refuses.
SELECT DISTINCT ON (pg_class.oid)
    format(
        'UPDATE ONLY %1$s SET %2$I = %2$I WHERE ctid IN (SELECT ctid FROM ONLY %1$s LIMIT 1)',
        pg_class.oid::regclass,
        attname
    )
FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind = 'r'
  AND NOT relhasrules
  AND relname <> 'modern'
  AND relnamespace = 'tenant_hard'::regnamespace
  AND attnum > 0
  AND NOT attisdropped
  AND attgenerated = ''
  AND attidentity = ''
