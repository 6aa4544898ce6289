CREATE TABLE bytes (id integer PRIMARY KEY, b bytea, bs bytea[]);
INSERT INTO bytes
SELECT 0, decode(string_agg(lpad(to_hex(i), 2, '0'), '' ORDER BY i), 'hex'), NULL FROM generate_series(0, 255) AS i;
INSERT INTO bytes VALUES (1, '', '{}'), (2, NULL, ARRAY['\x00'::bytea, NULL, '\x5c2e0a']);
INSERT INTO bytes SELECT 10 + i, decode(repeat(md5(i::text), 200), 'hex'), NULL FROM generate_series(1, 60) AS i;

CREATE TABLE json_values (id integer PRIMARY KEY, j json, b jsonb, p jsonpath, bs jsonb[]);
INSERT INTO json_values VALUES
    (1, '{"b": 1, "a": [1, 2.50, 1e3], "b": null}', '{"b": 1, "a": [1, 2.50, 1e3], "b": null}', '$.a[*] ? (@ > 1)', ARRAY['null'::jsonb, NULL]),
    (2, 'null', 'null', 'strict $."k\"ey" ? (@ like_regex "^a\\d" flag "i")', '{}'),
    (3, E'"\\u0041\\n\\t\\\\"', E'"\\u0041\\n\\t\\\\ \\ud83d\\ude00"', NULL, NULL),
    (4, E' { \n "spaced" :\t1 } ', '{"": {"": [[], {}, ""]}}', NULL, NULL),
    (5, '123456789012345678901234567890.123456789012345678901234567890', '123456789012345678901234567890.1234567890', NULL, NULL),
    (6, NULL, NULL, NULL, NULL);
INSERT INTO json_values (id, b) SELECT 100 + i, jsonb_build_object('i', i, 'tags', ARRAY[i::text, md5(i::text)]) FROM generate_series(1, 500) AS i;
CREATE INDEX json_values_b ON json_values USING gin (b jsonb_path_ops);
CREATE INDEX json_values_i ON json_values (((b ->> 'i')::integer)) WHERE b ? 'i';
