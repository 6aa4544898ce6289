-- A COPY of each table of the tenants, as pg_dump would order it: schema by schema.
SELECT format('COPY %%I.%%I TO STDOUT;', nspname, relname)
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND nspname = ANY(%s)
ORDER BY nspname, relname
