CREATE TABLE texts (id integer PRIMARY KEY, t text, v character varying(400), c json, note text NOT NULL DEFAULT '');
INSERT INTO texts (id, t) VALUES
    (1, ''), (2, NULL), (3, '\N'), (4, E'\\.'), (5, E'line\n\\.\nline'), (6, E'\t'), (7, E'\r\n'), (8, E'\r'),
    (9, E'\n'), (10, E'\\'), (11, E'\\\\n\\t'), (12, 'NULL'), (13, '"'), (14, ''''), (15, '$$ $a$ $b$'),
    (16, '😀👩‍👩‍👧‍👦🇩🇪'), (17, E'e\u0301 \u00e9 \u202eright to left \ufeff'), (18, E'\u2028\u2029\u0085'), (19, '-- not a comment'),
    (20, E'\n\\restrict x\n\\connect postgres\n\\! true\n'), (21, ' leading and trailing '), (22, E'\U0010FFFF'),
    (23, (SELECT string_agg(chr(i), '' ORDER BY i) FROM generate_series(1, 400) AS i)),
    (24, repeat('0123456789abcdef', 65536)),
    (25, (SELECT string_agg(md5(i::text), E'\n' ORDER BY i) FROM generate_series(1, 32000) AS i));
INSERT INTO texts (id, t) SELECT 1000 + i, chr(i) || 'x' || chr(i) FROM generate_series(1, 255) AS i;
INSERT INTO texts (id, v, c) VALUES (2000, repeat('ü', 400), '{"a" : 1,  "a":2, "u": "\u0000"}');
