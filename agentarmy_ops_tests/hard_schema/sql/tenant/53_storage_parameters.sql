CREATE TABLE stored (
    id integer PRIMARY KEY,
    big text STORAGE EXTERNAL,
    main text COMPRESSION pglz,
    plain text,
    many numeric[]
) WITH (fillfactor = 45, autovacuum_enabled = false, toast.autovacuum_vacuum_threshold = 5000, toast_tuple_target = 256, parallel_workers = 3, autovacuum_vacuum_scale_factor = 0.015);
ALTER TABLE stored
    ALTER COLUMN plain SET STORAGE PLAIN,
    ALTER COLUMN main SET STORAGE MAIN,
    ALTER COLUMN big SET STATISTICS 1234,
    ALTER COLUMN plain SET STATISTICS 0,
    ALTER COLUMN id SET (n_distinct = -0.5, n_distinct_inherited = 12);
INSERT INTO stored SELECT i, repeat(md5(i::text), 200), repeat('m', 3000), 'p', ARRAY[i, NULL] FROM generate_series(1, 120) AS i;
CREATE VIEW stored_view WITH (security_barrier = true, check_option = local) AS SELECT id, big FROM stored WHERE id > 0;
