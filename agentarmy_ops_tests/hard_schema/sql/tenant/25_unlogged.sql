CREATE UNLOGGED TABLE unlogged (id serial PRIMARY KEY, t text);
INSERT INTO unlogged (t) SELECT md5(i::text) FROM generate_series(1, 150) AS i;
CREATE INDEX unlogged_t ON unlogged USING hash (t);
-- One that is logged with a sequence that is not.
CREATE TABLE half_logged (id serial PRIMARY KEY);
ALTER SEQUENCE half_logged_id_seq SET UNLOGGED;
INSERT INTO half_logged SELECT FROM generate_series(1, 3);
