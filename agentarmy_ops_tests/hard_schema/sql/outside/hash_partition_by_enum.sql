-- Restores well, yet the rows lie in other partitions: an enum is hashed by its values' oids, which
-- are new after a restore (pg_dump knows and loads through the root). Compare such tables as a whole.
CREATE TABLE by_hash_enum (id integer, mood mood) PARTITION BY HASH (mood);
CREATE TABLE by_hash_enum_0 PARTITION OF by_hash_enum FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE by_hash_enum_1 PARTITION OF by_hash_enum FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO by_hash_enum SELECT i, (enum_range(NULL::mood))[1 + i % 4] FROM generate_series(1, 100) AS i;
