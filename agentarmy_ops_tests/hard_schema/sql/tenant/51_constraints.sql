CREATE TABLE bookings (
    id integer PRIMARY KEY,
    during tstzrange NOT NULL,
    room int4range NOT NULL,
    cancelled boolean NOT NULL DEFAULT false,
    CONSTRAINT "no overlap" EXCLUDE USING gist (during WITH &&, room WITH &&) WHERE (NOT cancelled) DEFERRABLE INITIALLY DEFERRED,
    EXCLUDE USING hash (id WITH =)
);
INSERT INTO bookings
SELECT i, tstzrange('2024-01-01 00:00+00'::timestamptz + i * interval '1 hour', '2024-01-01 01:00+00'::timestamptz + i * interval '1 hour'), int4range(1, 5), false
FROM generate_series(1, 200) AS i;
INSERT INTO bookings SELECT 1000 + id, during, room, true FROM bookings WHERE id <= 20;

CREATE TABLE constrained (
    a integer, b integer, c text, d integer,
    CONSTRAINT deferred_unique UNIQUE (a) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT nulls_once UNIQUE NULLS NOT DISTINCT (b, c),
    CONSTRAINT with_more UNIQUE (d) INCLUDE (a, b) WITH (fillfactor = 55),
    CONSTRAINT "100% ""sure"" $1" CHECK (a > 0 AND (b IS NULL OR b < 1000000)),
    CHECK (c IS DISTINCT FROM 'never' OR d BETWEEN 1 AND 5)
);
INSERT INTO constrained VALUES (1, NULL, NULL, NULL), (2, 1, NULL, 1), (3, NULL, 'x', 2);
INSERT INTO constrained SELECT i, i, i::text, i FROM generate_series(10, 200) AS i;
ALTER TABLE constrained ADD CONSTRAINT not_yet CHECK (a < 50) NOT VALID;
ALTER TABLE constrained ADD CONSTRAINT not_for_children CHECK (d <> 77777) NO INHERIT;
COMMENT ON CONSTRAINT "100% ""sure"" $1" ON constrained IS E'a\n''comment''';
CREATE UNIQUE INDEX constrained_index ON constrained (a, d);
ALTER TABLE constrained ADD CONSTRAINT "made from an index" UNIQUE USING INDEX constrained_index;

-- The check needs the row type of its own table.
CREATE TABLE self_checked (id integer PRIMARY KEY, low integer, high integer);
CREATE FUNCTION in_order(self_checked) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.low <= $1.high';
ALTER TABLE self_checked ADD CONSTRAINT ordered CHECK (in_order(self_checked));
INSERT INTO self_checked SELECT i, i, i * 2 FROM generate_series(1, 50) AS i;

-- The default needs the row type of its own table.
CREATE TABLE self_default (id integer, n bigint);
CREATE FUNCTION next_of(self_default) RETURNS bigint LANGUAGE sql STABLE RETURN coalesce(($1).n, 0) + 1;
ALTER TABLE self_default ALTER COLUMN n SET DEFAULT next_of(NULL::self_default);
INSERT INTO self_default (id) VALUES (1), (2);

DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE $ddl$
            CREATE TABLE modern (
                id integer CONSTRAINT "id is a must" NOT NULL,
                room int4range,
                during tstzrange,
                plan integer,
                lax integer CONSTRAINT unenforced CHECK (lax > 0) NOT ENFORCED,
                late text,
                CONSTRAINT modern_key PRIMARY KEY (room, during WITHOUT OVERLAPS),
                CONSTRAINT here_only_not_null NOT NULL plan NO INHERIT,
                CONSTRAINT loose_plan FOREIGN KEY (plan) REFERENCES shared.plans NOT ENFORCED
            );
            INSERT INTO modern VALUES
                (1, '[1,2)', '[2020-01-01 00:00+00,2021-01-01 00:00+00)', 99, -1, NULL),
                (2, '[1,2)', '[2021-01-01 00:00+00,2022-01-01 00:00+00)', 1, 1, 'x');
            ALTER TABLE modern ADD CONSTRAINT late_not_null NOT NULL late NOT VALID;
            COMMENT ON CONSTRAINT "id is a must" ON modern IS 'named';
            CREATE TABLE modern_user (
                id integer PRIMARY KEY, room int4range, during tstzrange,
                FOREIGN KEY (room, PERIOD during) REFERENCES modern (room, PERIOD during)
            );
            INSERT INTO modern_user VALUES (1, '[1,2)', '[2020-06-01 00:00+00,2021-06-01 00:00+00)');
            CREATE TABLE modern_child () INHERITS (modern);
        $ddl$;
    END IF;
END
$$;
