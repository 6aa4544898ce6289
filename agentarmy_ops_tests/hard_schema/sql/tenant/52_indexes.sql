CREATE TABLE indexed (
    id integer PRIMARY KEY, a integer, b text, c text, d timestamptz, e integer[], r int4range, p point
);
INSERT INTO indexed
SELECT i, i % 17, md5(i::text), 'Ä' || i % 5, '2024-01-01 00:00+00'::timestamptz + i * interval '1 minute', ARRAY[i, i % 3], int4range(i, i + 5), point(i, -i)
FROM generate_series(1, 1500) AS i;
CREATE INDEX indexed_order ON indexed (a DESC NULLS LAST, b ASC NULLS FIRST, c COLLATE "C" text_pattern_ops DESC);
CREATE INDEX indexed_expression ON indexed (lower(b), (a + 1), (d AT TIME ZONE 'UTC'));
CREATE INDEX indexed_partial ON indexed (b) WHERE a > 5 AND c IS NOT NULL AND d < '2024-06-01 00:00+00';
CREATE UNIQUE INDEX indexed_include ON indexed (id, a) INCLUDE (b, c) WITH (fillfactor = 70, deduplicate_items = off);
CREATE UNIQUE INDEX indexed_nulls ON indexed (e) NULLS NOT DISTINCT;
CREATE INDEX indexed_brin ON indexed USING brin (d timestamptz_minmax_multi_ops (values_per_range = 16), a int4_bloom_ops) WITH (pages_per_range = 8, autosummarize = on);
CREATE INDEX indexed_gin ON indexed USING gin (e array_ops) WITH (gin_pending_list_limit = 128);
CREATE INDEX indexed_hash ON indexed USING hash (b) WITH (fillfactor = 80);
CREATE INDEX indexed_spgist ON indexed USING spgist (r);
CREATE INDEX indexed_spgist_text ON indexed USING spgist (b) INCLUDE (a);
CREATE INDEX indexed_gist ON indexed USING gist (p, r) WITH (buffering = off);
ALTER INDEX indexed_expression ALTER COLUMN 2 SET STATISTICS 500;
ALTER TABLE indexed CLUSTER ON indexed_order;
COMMENT ON INDEX indexed_partial IS 'some';

CREATE TABLE identity_full (id integer PRIMARY KEY);
ALTER TABLE identity_full REPLICA IDENTITY FULL;
CREATE TABLE identity_nothing (id integer PRIMARY KEY);
ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE identity_index (id integer NOT NULL, code text NOT NULL, UNIQUE (code));
CREATE UNIQUE INDEX "identity by id" ON identity_index (id);
ALTER TABLE identity_index REPLICA IDENTITY USING INDEX "identity by id";
INSERT INTO identity_index VALUES (1, 'a'), (2, 'b');
CREATE TABLE clustered (id integer, CONSTRAINT clustered_key PRIMARY KEY (id));
ALTER TABLE clustered CLUSTER ON clustered_key;
INSERT INTO clustered VALUES (3), (1), (2);
