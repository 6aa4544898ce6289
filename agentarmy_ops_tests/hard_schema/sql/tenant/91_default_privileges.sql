DO $$
DECLARE
    change text;
BEGIN
    FOREACH change IN ARRAY ARRAY[
        'GRANT SELECT, INSERT ON TABLES TO hard_reader',
        'GRANT ALL ON TABLES TO "Hard Writer" WITH GRANT OPTION',
        'GRANT USAGE ON SEQUENCES TO "hard ""quoted"" ролё"',
        'GRANT EXECUTE ON FUNCTIONS TO hard_reader',
        'GRANT USAGE ON TYPES TO hard_reader'
    ] LOOP
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I %s', current_schema(), change);
    END LOOP;
END
$$;
CREATE TABLE born_with_grants (id serial PRIMARY KEY, t text);
CREATE FUNCTION born_with_grants() RETURNS integer LANGUAGE sql RETURN 1;
CREATE TYPE born_with_grants_type AS ENUM ('x');
INSERT INTO born_with_grants (t) VALUES ('x');
CREATE TABLE born_and_revoked (id integer);
REVOKE ALL ON born_and_revoked FROM hard_reader, "Hard Writer";
