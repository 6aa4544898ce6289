RESET ROLE;
DO $$
BEGIN
    EXECUTE format('GRANT CREATE, USAGE ON SCHEMA %I TO hard_definer, "Hard Writer", "hard ""quoted"" ролё"', current_schema());
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE hard_definer IN SCHEMA %I GRANT SELECT ON TABLES TO PUBLIC', current_schema());
END
$$;
CREATE TABLE owned_by_definer (id serial PRIMARY KEY, t text);
ALTER TABLE owned_by_definer OWNER TO hard_definer;
INSERT INTO owned_by_definer (t) VALUES ('x');
CREATE FUNCTION owned_by_definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM owned_by_definer; END;
ALTER FUNCTION owned_by_definer() OWNER TO hard_definer;
CREATE VIEW owned_by_writer AS SELECT 1 AS one;
ALTER VIEW owned_by_writer OWNER TO "Hard Writer";
CREATE SEQUENCE owned_by_quoted;
ALTER SEQUENCE owned_by_quoted OWNER TO "hard ""quoted"" ролё";
CREATE TYPE owned_by_writer_type AS ENUM ('w');
ALTER TYPE owned_by_writer_type OWNER TO "Hard Writer";
GRANT SELECT ON owned_by_definer TO hard_reader;
-- A partition and an inheritance child need not have their parent's owner.
ALTER TABLE by_list_us OWNER TO "Hard Writer";
