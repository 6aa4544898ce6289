CREATE FUNCTION text_distance(text, text) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT RETURN (length($1) - length($2))::double precision;
CREATE TYPE words AS RANGE (subtype = text, collation = "C", subtype_diff = text_distance, multirange_type_name = many_words);
CREATE TYPE "Float Range" AS RANGE (subtype = double precision, subtype_diff = float8mi);
COMMENT ON TYPE words IS 'from a to z';

CREATE TABLE ranges (
    id integer PRIMARY KEY,
    i int4range, b int8range, n numrange, d daterange, t tsrange, tz tstzrange,
    mi int4multirange, mtz tstzmultirange,
    w words, mw many_words, f "Float Range"
);
INSERT INTO ranges VALUES
    (1, '[1,10)', '(,)', '[-1.5,NaN)', '[infinity,)', '[2020-01-01,infinity]', '[2020-03-29 01:00+01,2020-03-29 03:00+02)',
     '{[1,2),[5,9)}', '{[2020-01-01 00:00+00,2020-01-02 00:00+00)}', '["a, b","c""d\\e"]', '{[a,b),[c,d]}', '[-Infinity,1e300]'),
    (2, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}', '{(,)}', 'empty', '{}', '[NaN,NaN]'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '["",)', NULL, NULL);
CREATE INDEX ranges_i ON ranges USING gist (i);
CREATE INDEX ranges_words ON ranges USING btree (w);
