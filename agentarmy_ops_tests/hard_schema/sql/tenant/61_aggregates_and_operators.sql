CREATE FUNCTION longer(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN length($1) >= length($2) THEN $1 ELSE $2 END;
CREATE AGGREGATE longest(text) (SFUNC = longer, STYPE = text, COMBINEFUNC = longer, PARALLEL = SAFE, INITCOND = '');
CREATE AGGREGATE moving_sum(integer) (
    SFUNC = int4pl, STYPE = integer, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0'
);
-- Only a superuser may use a transition type of "internal".
RESET ROLE;
CREATE AGGREGATE "my percentile"(double precision ORDER BY anyelement) (
    SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA
);
SELECT set_config('role', current_setting('app.hard_owner'), false);
CREATE AGGREGATE largest(integer) (SFUNC = int4larger, STYPE = integer, SORTOP = >);
COMMENT ON AGGREGATE longest(text) IS 'by characters';

CREATE FUNCTION near(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN abs($1 - $2) < 3;
CREATE FUNCTION not_near(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN abs($1 - $2) >= 3;
CREATE OPERATOR ~~~ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = near, COMMUTATOR = ~~~, NEGATOR = !~~~);
CREATE OPERATOR !~~~ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = not_near, COMMUTATOR = !~~~, NEGATOR = ~~~);
CREATE FUNCTION bang(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1 || '!';
CREATE OPERATOR !! (RIGHTARG = text, FUNCTION = bang);
CREATE TABLE operated (id integer PRIMARY KEY, a integer, b integer, loud text GENERATED ALWAYS AS (!! a::text) STORED, CHECK (a ~~~ b));
INSERT INTO operated (id, a, b) SELECT i, i, i + i % 3 FROM generate_series(1, 60) AS i;
CREATE INDEX operated_near ON operated (a) WHERE b !~~~ 5;
