-- Only a superuser may define base types and operator classes.
RESET ROLE;
CREATE TYPE whole;
CREATE FUNCTION whole_in(cstring) RETURNS whole LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION whole_out(whole) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE FUNCTION whole_lt(whole, whole) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION whole_le(whole, whole) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4le';
CREATE FUNCTION whole_eq(whole, whole) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION whole_ne(whole, whole) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4ne';
CREATE FUNCTION whole_ge(whole, whole) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4ge';
CREATE FUNCTION whole_gt(whole, whole) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4gt';
CREATE FUNCTION whole_cmp(whole, whole) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE TYPE whole (INPUT = whole_in, OUTPUT = whole_out, LIKE = pg_catalog.int4, CATEGORY = 'N', DEFAULT = '42', DELIMITER = ';');
CREATE TYPE never_defined;

CREATE OPERATOR < (LEFTARG = whole, RIGHTARG = whole, FUNCTION = whole_lt, COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR <= (LEFTARG = whole, RIGHTARG = whole, FUNCTION = whole_le, COMMUTATOR = >=, NEGATOR = >, RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR = (LEFTARG = whole, RIGHTARG = whole, FUNCTION = whole_eq, COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, MERGES);
CREATE OPERATOR <> (LEFTARG = whole, RIGHTARG = whole, FUNCTION = whole_ne, COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR >= (LEFTARG = whole, RIGHTARG = whole, FUNCTION = whole_ge, COMMUTATOR = <=, NEGATOR = <, RESTRICT = scalargesel, JOIN = scalargejoinsel);
CREATE OPERATOR > (LEFTARG = whole, RIGHTARG = whole, FUNCTION = whole_gt, COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR FAMILY whole_family USING btree;
CREATE OPERATOR CLASS whole_ops DEFAULT FOR TYPE whole USING btree FAMILY whole_family AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 whole_cmp(whole, whole);
CREATE OPERATOR FAMILY lonely_family USING hash;
COMMENT ON OPERATOR CLASS whole_ops USING btree IS 'whole, in order';
COMMENT ON OPERATOR FAMILY whole_family USING btree IS 'family of whole';
COMMENT ON OPERATOR < (whole, whole) IS 'less';

CREATE TABLE wholes (id whole PRIMARY KEY, others whole[], dflt whole DEFAULT '7');
INSERT INTO wholes VALUES ('1', '{2;3;NULL}', '4'), ('-5', NULL, DEFAULT);
CREATE INDEX wholes_dflt ON wholes (dflt whole_ops DESC);

DO $$
DECLARE
    statement text;
BEGIN
    FOREACH statement IN ARRAY ARRAY[
        'TABLE wholes', 'TYPE whole', 'FUNCTION whole_cmp(whole, whole)',
        'OPERATOR CLASS whole_ops USING btree', 'OPERATOR FAMILY whole_family USING btree', 'OPERATOR < (whole, whole)'
    ] LOOP
        EXECUTE format('ALTER %s OWNER TO %I', statement, current_setting('app.hard_owner'));
    END LOOP;
END
$$;
