RESET ROLE;
CREATE TEXT SEARCH PARSER own_parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, HEADLINE = prsd_headline, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE own_template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
COMMENT ON TEXT SEARCH PARSER own_parser IS 'as the default';
COMMENT ON TEXT SEARCH TEMPLATE own_template IS 'as simple';
SELECT set_config('role', current_setting('app.hard_owner'), false);

CREATE TEXT SEARCH DICTIONARY own_dictionary (TEMPLATE = own_template);
CREATE TEXT SEARCH DICTIONARY "Quiet Dictionary" (TEMPLATE = pg_catalog.simple, ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION own_search (PARSER = own_parser);
ALTER TEXT SEARCH CONFIGURATION own_search ADD MAPPING FOR asciiword, word WITH "Quiet Dictionary", own_dictionary;
ALTER TEXT SEARCH CONFIGURATION own_search ADD MAPPING FOR int, email WITH simple;
CREATE TEXT SEARCH CONFIGURATION copied_search (COPY = pg_catalog.simple);
COMMENT ON TEXT SEARCH CONFIGURATION own_search IS 'finds little';
COMMENT ON TEXT SEARCH DICTIONARY own_dictionary IS 'knows all';

CREATE TABLE documents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid,
    body text NOT NULL,
    found tsvector,
    query tsquery
);
INSERT INTO documents (body, found, query)
SELECT b, to_tsvector('copied_search', b) || setweight(to_tsvector('simple', b), 'A'), 'a & !b | (c <2> d:*AB)'::tsquery
FROM (SELECT 'document ' || i || ' o''clock \ back ' || md5(i::text) FROM generate_series(1, 1500) AS i) AS s(b);
INSERT INTO documents (body, found) VALUES ('', $$'it''s':1A 'b\\s':2 ' ':3B$$);
DO $$
BEGIN
    EXECUTE format('CREATE INDEX documents_body ON documents USING gin (to_tsvector(%L::regconfig, body))',
                   format('%I.copied_search', current_schema()));
END
$$;
CREATE INDEX documents_found ON documents USING gin (found) WITH (fastupdate = off);
CREATE INDEX documents_gist ON documents USING gist (found tsvector_ops (siglen = 100));
CREATE TRIGGER documents_fill BEFORE INSERT OR UPDATE ON documents
    FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger('found', 'pg_catalog.simple', 'body');
