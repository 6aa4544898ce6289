CREATE TABLE arrays (id integer PRIMARY KEY, i integer[], two integer[][], t text[], people person[], d date[], moods mood[][], fixed integer[3]);
INSERT INTO arrays VALUES
    (1, '{}', '{{1,2},{3,NULL}}', '{"",NULL,"NULL","a,b","{}","\"","\\"," "}', ARRAY[ROW('a,"b"', NULL, NULL)::person, NULL], '{infinity,0001-01-01 BC}', '{{happy,so-so},{NULL,"above all"}}', '{1}'),
    (2, '[-2:0]={1,2,3}', '[5:6][-1:0]={{1,2},{3,4}}', ARRAY[E'tab\tnl\ncr\r\\.'], '{}', NULL, NULL, NULL),
    (3, NULL, '{{{1}},{{2}}}', NULL, NULL, NULL, NULL, '{1,2,3,4,5}');
INSERT INTO arrays (id, i) SELECT 10 + g, ARRAY(SELECT generate_series(1, g)) FROM generate_series(1, 50) AS g;
CREATE INDEX arrays_i ON arrays USING gin (i);
