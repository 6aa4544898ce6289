CREATE TYPE point3 AS (x double precision, y double precision, "the Z" double precision);
CREATE TYPE address AS (street text COLLATE "C", zip character varying(10), gone integer, "at" point3);
ALTER TYPE address DROP ATTRIBUTE gone;
ALTER TYPE address ADD ATTRIBUTE tags text[];
CREATE TYPE person AS (name text, homes address[], born date);
CREATE TYPE empty_composite AS ();
COMMENT ON TYPE address IS 'nested';
COMMENT ON COLUMN address.zip IS 'not only digits: "SW1A 1AA"';

CREATE TABLE composites (
    id integer PRIMARY KEY,
    who person,
    home address,
    empty empty_composite,
    CHECK ((home).zip <> 'none')
);
INSERT INTO composites VALUES
    (1, ROW('O"Neil, (Jr.)', ARRAY[ROW('a\b', '1', ROW(1, NULL, 'NaN'), '{x,NULL,"N,U"}')::address, NULL], '0044-03-15 BC'),
     ROW('', NULL, NULL, NULL), ROW()),
    (2, NULL, ROW(NULL, NULL, NULL, NULL), NULL),
    (3, ROW(NULL, '{}', 'infinity'), NULL, NULL);
CREATE INDEX composites_zip ON composites (((home).zip));

-- The row type of a table as a column of another one.
CREATE TABLE row_source (a integer, dropped text, b text);
INSERT INTO row_source VALUES (1, 'x', 'one'), (2, 'y', NULL);
ALTER TABLE row_source DROP COLUMN dropped;
CREATE TABLE row_holder (id integer PRIMARY KEY, held row_source, helds row_source[]);
INSERT INTO row_holder SELECT a, s, ARRAY[s, NULL] FROM row_source AS s;
