CREATE COLLATION plain (PROVIDER = libc, LOCALE = 'C');
CREATE COLLATION "Copied Collation" FROM "POSIX";
CREATE COLLATION two_parts (PROVIDER = libc, LC_COLLATE = 'C', LC_CTYPE = 'POSIX');
COMMENT ON COLLATION plain IS 'bytes';

DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 170000 THEN
        CREATE COLLATION built_in (PROVIDER = builtin, LOCALE = 'C.UTF-8');
    END IF;
END
$$;

CREATE CONVERSION to_latin FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE DEFAULT CONVERSION "From Latin" FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION to_latin IS 'western';

CREATE TABLE collated (
    id integer PRIMARY KEY,
    a text COLLATE plain,
    b character varying(20) COLLATE "Copied Collation" DEFAULT 'ä',
    c text COLLATE "C"
);
INSERT INTO collated SELECT i, chr(65 + i), chr(200 + i), NULL FROM generate_series(1, 20) AS i;
CREATE INDEX collated_other ON collated (a COLLATE two_parts, lower(b COLLATE plain) DESC NULLS LAST);
