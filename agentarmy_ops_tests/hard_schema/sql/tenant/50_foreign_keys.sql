CREATE TABLE subscriptions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid,
    plan_id integer NOT NULL REFERENCES shared.plans ON UPDATE CASCADE ON DELETE RESTRICT,
    language text, country text,
    FOREIGN KEY (language, country) REFERENCES shared.locales MATCH FULL ON DELETE SET NULL
);
INSERT INTO subscriptions (plan_id, language, country)
SELECT 1 + i % 3, CASE WHEN i % 2 = 0 THEN 'de' END, CASE WHEN i % 2 = 0 THEN 'AT' END FROM generate_series(1, 300) AS i;

CREATE TABLE chickens (id integer PRIMARY KEY, egg integer NOT NULL);
CREATE TABLE eggs (id integer PRIMARY KEY, chicken integer NOT NULL REFERENCES chickens DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE chickens ADD CONSTRAINT "which was first?" FOREIGN KEY (egg) REFERENCES eggs DEFERRABLE INITIALLY DEFERRED;
INSERT INTO chickens SELECT i, i FROM generate_series(1, 100) AS i;
INSERT INTO eggs SELECT i, 101 - i FROM generate_series(1, 100) AS i;
COMMENT ON CONSTRAINT "which was first?" ON chickens IS 'nobody''s business';
SET CONSTRAINTS ALL IMMEDIATE;

CREATE TABLE tree (
    id integer PRIMARY KEY,
    parent integer REFERENCES tree ON DELETE CASCADE,
    friend integer
);
INSERT INTO tree SELECT i, NULLIF(i / 2, 0), i * 1000 FROM generate_series(1, 200) AS i;
ALTER TABLE tree ADD CONSTRAINT friends FOREIGN KEY (friend) REFERENCES tree DEFERRABLE INITIALLY IMMEDIATE NOT VALID;

CREATE TABLE set_columns (a integer, b integer, PRIMARY KEY (a, b));
CREATE TABLE set_columns_user (
    id integer PRIMARY KEY, a integer, b integer DEFAULT 1,
    FOREIGN KEY (a, b) REFERENCES set_columns ON DELETE SET NULL (b) ON UPDATE SET DEFAULT
);
INSERT INTO set_columns VALUES (1, 1), (1, 2);
INSERT INTO set_columns_user VALUES (1, 1, 2), (2, NULL, 9);

-- To, from and between partitioned tables.
CREATE TABLE orders (id integer, day date, plan integer REFERENCES shared.plans, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE orders_early PARTITION OF orders FOR VALUES FROM ('2020-01-01') TO ('2020-07-01');
CREATE TABLE orders_late PARTITION OF orders FOR VALUES FROM ('2020-07-01') TO ('2021-01-01');
CREATE TABLE order_lines (
    order_id integer, day date, line integer, parent_line integer,
    PRIMARY KEY (order_id, day, line),
    FOREIGN KEY (order_id, day) REFERENCES orders ON DELETE CASCADE DEFERRABLE,
    FOREIGN KEY (order_id, day, parent_line) REFERENCES order_lines (order_id, day, line)
) PARTITION BY HASH (order_id);
CREATE TABLE order_lines_0 PARTITION OF order_lines FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE order_lines_1 PARTITION OF order_lines FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE order_notes (id integer PRIMARY KEY, order_id integer, day date, FOREIGN KEY (order_id, day) REFERENCES orders (id, day) NOT VALID);
INSERT INTO orders SELECT i, '2020-01-01'::date + i, 1 + i % 3 FROM generate_series(1, 300) AS i;
INSERT INTO order_lines SELECT i, '2020-01-01'::date + i, l, NULLIF(l - 1, 0) FROM generate_series(1, 300) AS i, generate_series(1, 2) AS l;
INSERT INTO order_notes SELECT i, i, '2020-01-01'::date + i FROM generate_series(1, 20) AS i;
ALTER TABLE orders_early ADD CONSTRAINT only_early FOREIGN KEY (plan) REFERENCES shared.plans DEFERRABLE;
