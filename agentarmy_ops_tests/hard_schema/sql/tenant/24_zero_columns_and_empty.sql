CREATE TABLE zero_columns ();
INSERT INTO zero_columns SELECT FROM generate_series(1, 5);
CREATE TABLE zero_columns_empty ();
CREATE TABLE empty (id integer PRIMARY KEY, t text NOT NULL);
CREATE TABLE all_null (a integer, b text);
INSERT INTO all_null SELECT NULL, NULL FROM generate_series(1, 4);
