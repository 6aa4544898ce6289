CREATE FUNCTION plain_sql(a integer, b integer DEFAULT 2, VARIADIC rest integer[] DEFAULT '{}') RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 3 AS 'SELECT a + b + coalesce(array_length(rest, 1), 0)';
CREATE FUNCTION with_out(IN a integer, OUT doubled integer, INOUT text text DEFAULT 'it''s') LANGUAGE plpgsql AS $f$
BEGIN
    -- $$ and 'quotes' and
    /*
\.
\restrict x
    */
    doubled := a * 2;
END
$f$;
CREATE FUNCTION "Odd.Function $1 ""x""%"("Odd Arg" text, "b,c" "Odd Enum") RETURNS TABLE ("Out 1" text, n bigint)
    LANGUAGE sql STABLE ROWS 7 AS $_$SELECT $1 || '$$', count(*) FROM enums$_$;
-- Finds its tables by the caller's search_path; nothing calls it during a restore.
CREATE FUNCTION needs_search_path() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM enums); END';
CREATE FUNCTION fixed_search_path() RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path FROM CURRENT SET work_mem = '5MB' SET DateStyle = 'ISO, DMY'
    AS 'BEGIN RETURN (SELECT count(*) FROM enums); END';
CREATE FUNCTION no_search_path() RETURNS integer LANGUAGE sql SET search_path = '' AS 'SELECT 1';
CREATE FUNCTION new_style(i integer) RETURNS SETOF enums LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT e.* FROM enums AS e WHERE e.id > i ORDER BY e.mood DESC;
END;
CREATE FUNCTION new_style_calls(i integer DEFAULT 3) RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO empty (id, t) VALUES (i, 'x') ON CONFLICT DO NOTHING;
    SELECT count(*) + plain_sql(1, i) FROM new_style(i);
END;
CREATE FUNCTION polymorphic(anyelement, anycompatiblearray) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION of_column(texts.t%TYPE) RETURNS shared.plans LANGUAGE sql STABLE RETURN (SELECT p FROM shared.plans AS p LIMIT 1);
CREATE FUNCTION overloaded(integer) RETURNS integer LANGUAGE sql RETURN 1;
CREATE FUNCTION overloaded(text) RETURNS integer LANGUAGE sql RETURN 2;
CREATE FUNCTION overloaded(mood[], person) RETURNS integer LANGUAGE sql RETURN 3;
CREATE PROCEDURE tidy(INOUT n integer, IN "really?" boolean DEFAULT false) LANGUAGE plpgsql AS 'BEGIN COMMIT; n := n + 1; END';
CREATE PROCEDURE tidy_sql(i integer) LANGUAGE sql
BEGIN ATOMIC
    DELETE FROM empty WHERE id = i;
    UPDATE enums SET mood = 'so-so' WHERE id = i;
END;
COMMENT ON FUNCTION overloaded(text) IS 'two';
COMMENT ON PROCEDURE tidy(integer, boolean) IS E'line\nline';
CREATE TABLE function_defaults (id integer DEFAULT plain_sql(1), n bigint DEFAULT fixed_search_path(), o integer DEFAULT overloaded('x'::text));
INSERT INTO function_defaults VALUES (DEFAULT, DEFAULT, DEFAULT);

-- Only a superuser may attach a setting the server does not know.
RESET ROLE;
ALTER FUNCTION no_search_path() SET "app.odd" = 'a, ''b'' \';
