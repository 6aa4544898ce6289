CREATE TABLE by_list (id integer GENERATED ALWAYS AS IDENTITY, region text, n integer, mood mood) PARTITION BY LIST (lower(region));
CREATE TABLE by_list_eu PARTITION OF by_list FOR VALUES IN ('eu', NULL) PARTITION BY RANGE (n, mood);
CREATE TABLE by_list_eu_low PARTITION OF by_list_eu FOR VALUES FROM (MINVALUE, MINVALUE) TO (10, 'happy');
CREATE TABLE by_list_eu_high PARTITION OF by_list_eu FOR VALUES FROM (10, 'happy') TO (MAXVALUE, MAXVALUE);
CREATE TABLE by_list_us PARTITION OF by_list FOR VALUES IN ('us', 'back\slash');
CREATE TABLE by_list_rest PARTITION OF by_list DEFAULT;
INSERT INTO by_list (region, n, mood)
SELECT (ARRAY['EU', 'US', 'Us', NULL, 'JP', 'back\slash'])[1 + i % 6], i % 20, (enum_range(NULL::mood))[1 + i % 4] FROM generate_series(1, 300) AS i;

CREATE TABLE by_hash (id bigint NOT NULL, code text COLLATE "C" NOT NULL, tenant_id uuid DEFAULT current_setting('app.current_tenant_id')::uuid) PARTITION BY HASH (id, code text_pattern_ops);
CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE by_hash_2 PARTITION OF by_hash FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE UNLOGGED TABLE by_hash_3 PARTITION OF by_hash FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE by_hash_7 PARTITION OF by_hash FOR VALUES WITH (MODULUS 8, REMAINDER 7);
INSERT INTO by_hash SELECT i, 'c' || i FROM generate_series(1, 1000) AS i;

CREATE TABLE no_partitions (id integer) PARTITION BY LIST (id);
COMMENT ON TABLE by_list IS 'split by "region"';
