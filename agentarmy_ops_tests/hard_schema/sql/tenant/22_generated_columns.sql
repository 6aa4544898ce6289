CREATE FUNCTION area(w numeric, h numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN w * h; END';
CREATE TABLE generated (
    doubled integer GENERATED ALWAYS AS (n * 2) STORED,
    n integer,
    w numeric, h numeric DEFAULT 1.50,
    area numeric GENERATED ALWAYS AS (area(w, h)) STORED,
    lowered text COLLATE "C" GENERATED ALWAYS AS (lower(word || ' it''s')) STORED NOT NULL,
    word text NOT NULL DEFAULT E'a\tb',
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid,
    CHECK (doubled <> 13)
);
INSERT INTO generated (n, w, h) SELECT i, i, i / 7.0 FROM generate_series(1, 200) AS i;
CREATE UNIQUE INDEX generated_doubled ON generated (doubled) INCLUDE (area);

-- COPY of such a table has no columns at all.
CREATE TABLE only_generated (one integer GENERATED ALWAYS AS (1) STORED);
INSERT INTO only_generated SELECT FROM generate_series(1, 3);

DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE $ddl$
            CREATE TABLE virtual_columns (
                a integer PRIMARY KEY,
                sum integer GENERATED ALWAYS AS (a + b) VIRTUAL,
                b integer NOT NULL,
                label text GENERATED ALWAYS AS ('a=' || a::text) VIRTUAL,
                stored integer GENERATED ALWAYS AS (a * b) STORED,
                CHECK (sum < 100000)
            );
            INSERT INTO virtual_columns (a, b) SELECT i, i * i FROM generate_series(1, 100) AS i;
            COMMENT ON COLUMN virtual_columns.sum IS 'not on disk';
        $ddl$;
    END IF;
END
$$;
