CREATE TABLE events (
    id bigserial,
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid,
    at timestamptz NOT NULL,
    kind text NOT NULL DEFAULT 'x',
    amount numeric CHECK (amount >= 0),
    PRIMARY KEY (id, at, kind)
) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00+00');
CREATE TABLE events_2020 PARTITION OF events (kind DEFAULT 'twenty', CONSTRAINT only_2020 CHECK (kind <> 'never'))
    FOR VALUES FROM ('2020-01-01 00:00 Europe/Berlin'::timestamptz + interval '1 hour') TO ('2021-01-01 00:00:00.000001+00')
    PARTITION BY LIST (kind);
CREATE TABLE events_2020_ab PARTITION OF events_2020 FOR VALUES IN ('a', 'b', 'it''s');
CREATE TABLE "events 2020 rest" PARTITION OF events_2020 DEFAULT PARTITION BY HASH (id);
CREATE TABLE events_2020_rest_0 PARTITION OF "events 2020 rest" FOR VALUES WITH (MODULUS 2, REMAINDER 0) WITH (fillfactor = 60);
CREATE TABLE events_2020_rest_1 PARTITION OF "events 2020 rest" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE TABLE events_childless PARTITION OF events FOR VALUES FROM ('2030-01-01') TO (MAXVALUE) PARTITION BY RANGE (at);

-- Columns in another order, one dropped: only ATTACH makes such a partition.
CREATE TABLE events_attached (
    gone text, amount numeric CONSTRAINT events_amount_check CHECK (amount >= 0), at timestamptz NOT NULL, id bigint NOT NULL,
    kind text NOT NULL, tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid
);
ALTER TABLE events_attached DROP COLUMN gone;
ALTER TABLE events ATTACH PARTITION events_attached FOR VALUES FROM ('2021-01-01 00:00:00.000001+00') TO ('2022-01-01');
CREATE TABLE events_detached PARTITION OF events FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');

INSERT INTO events (at, kind, amount)
SELECT '2019-06-01 12:00+00'::timestamptz + i * interval '13 hours 7 minutes', (ARRAY['a', 'b', 'it''s', 'c', 'd'])[1 + i % 5], i
FROM generate_series(1, 2000) AS i;
ALTER TABLE events DETACH PARTITION events_detached;

CREATE INDEX events_kind ON events (kind, at DESC);
CREATE INDEX events_2020_only ON events_2020 (amount) WHERE amount > 10;
-- Stays invalid: no partition has its part.
CREATE INDEX events_never_finished ON ONLY events (amount);
CREATE INDEX events_old_amount ON events_old (amount);
ALTER INDEX events_never_finished ATTACH PARTITION events_old_amount;
ALTER INDEX events_2020_ab_kind_at_idx RENAME TO "events kind, 2020";
COMMENT ON INDEX "events kind, 2020" IS 'part of the whole';
ALTER TABLE ONLY events_2020_ab ALTER COLUMN kind SET DEFAULT 'a';
