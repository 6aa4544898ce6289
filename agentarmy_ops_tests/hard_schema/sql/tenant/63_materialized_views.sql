-- Refreshed by the restore with row_security off and no tenant set, as their owner: over tables
-- under FORCE ROW LEVEL SECURITY that works for an owner with BYPASSRLS only.
CREATE MATERIALIZED VIEW plan_counts (plan, n) WITH (fillfactor = 90) AS SELECT plan_id, count(*) FROM subscriptions GROUP BY plan_id;
CREATE MATERIALIZED VIEW plan_summary AS SELECT sum(n) AS total, array_agg(plan ORDER BY plan) AS plans FROM plan_counts;
CREATE MATERIALIZED VIEW "Matview of Matview" AS SELECT s.total, h.id FROM plan_summary AS s, very_happy AS h;
CREATE MATERIALIZED VIEW not_filled AS SELECT * FROM plan_counts WITH NO DATA;
CREATE MATERIALIZED VIEW on_not_filled AS SELECT * FROM not_filled WITH NO DATA;
CREATE MATERIALIZED VIEW key_grouped AS SELECT d.id, length(d.body) AS l FROM documents AS d GROUP BY d.id;
CREATE UNIQUE INDEX plan_counts_plan ON plan_counts (plan);
CREATE INDEX not_filled_n ON not_filled (n) WHERE n > 0;
ALTER MATERIALIZED VIEW plan_counts CLUSTER ON plan_counts_plan;
ALTER MATERIALIZED VIEW plan_counts ALTER COLUMN n SET STATISTICS 77;
CREATE STATISTICS matview_statistics ON id, l FROM key_grouped;
COMMENT ON MATERIALIZED VIEW not_filled IS 'empty, and not readable';
RESET ROLE;
DO $$
DECLARE
    relation regclass;
BEGIN
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO hard_definer', current_schema());
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO hard_definer', current_schema());
    FOR relation IN SELECT oid FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = 'm' LOOP
        EXECUTE format('ALTER MATERIALIZED VIEW %s OWNER TO hard_definer', relation);
    END LOOP;
    -- A view reads its tables as its own owner.
    ALTER VIEW happy OWNER TO hard_definer;
    ALTER VIEW very_happy OWNER TO hard_definer;
END
$$;
