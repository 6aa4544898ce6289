CREATE VIEW happy AS SELECT id, mood, tenant_id FROM enums WHERE mood >= 'happy' WITH LOCAL CHECK OPTION;
CREATE VIEW very_happy WITH (security_barrier) AS SELECT * FROM happy WHERE id > 1 WITH CASCADED CHECK OPTION;
CREATE VIEW invoked WITH (security_invoker = true) AS SELECT e.*, p.name AS plan FROM enums AS e LEFT JOIN shared.plans AS p ON p.id = e.id AND p.tier = e.tier;
ALTER VIEW very_happy ALTER COLUMN mood SET DEFAULT 'above all';
CREATE VIEW "Odd View"("a b", "c""d", "E") AS
    SELECT t.id, (t.t || E'\\x\n') COLLATE "C", row_number() OVER (PARTITION BY t.v ORDER BY t.id DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    FROM texts AS t WHERE t.t LIKE '%\%' OR t.t ~ '\s' ;
CREATE RECURSIVE VIEW ancestors (id, parent, depth) AS
    SELECT id, parent, 0 FROM tree WHERE parent IS NULL
    UNION ALL
    SELECT t.id, t.parent, a.depth + 1 FROM tree AS t JOIN ancestors AS a ON t.parent = a.id;
CREATE VIEW searched AS
    WITH RECURSIVE walk AS (
        SELECT id, parent FROM tree WHERE parent IS NULL
        UNION ALL
        SELECT t.id, t.parent FROM tree AS t JOIN walk AS w ON t.parent = w.id
    ) SEARCH DEPTH FIRST BY id SET ordercol CYCLE id SET is_cycle USING path
    SELECT id, is_cycle FROM walk ORDER BY ordercol;
CREATE VIEW joined AS
    SELECT * FROM (subscriptions AS s JOIN shared.plans AS p (plan_id, plan_name) USING (plan_id)) AS j
    FULL JOIN LATERAL (SELECT d.id AS doc FROM documents AS d ORDER BY d.id FETCH FIRST 2 ROWS WITH TIES) AS x ON true;
ALTER VIEW joined RENAME COLUMN plan_name TO "plan's name";
CREATE VIEW grouped AS
    SELECT a % 2 AS odd, GROUPING(a % 2, b) AS g, count(*) FILTER (WHERE c > 'a'), percentile_cont(0.5) WITHIN GROUP (ORDER BY a), string_agg(DISTINCT c, ',' ORDER BY c)
    FROM constrained GROUP BY ROLLUP (a % 2, b) HAVING count(*) > 0
    UNION (SELECT NULL, 0, 0, 0, NULL EXCEPT SELECT * FROM (VALUES (1, 2, 3, 4.0, 'x')) AS v) ORDER BY 1 NULLS FIRST LIMIT 10 OFFSET 1;
-- Grouped by the key alone: the view needs the primary key, so it comes after it.
CREATE VIEW by_key AS SELECT d.id, d.body, count(*) AS n FROM documents AS d GROUP BY d.id;
CREATE VIEW on_by_key AS SELECT b.n, b AS whole_row FROM by_key AS b;
CREATE VIEW composed AS SELECT (c.home).zip, (c.who).homes[1].street, c, ROW(c.id, c.home)::text FROM composites AS c;
CREATE VIEW function_view AS SELECT f.*, g.x, g.y FROM new_style(1) WITH ORDINALITY AS f, ROWS FROM (generate_series(1, 2), unnest('{a,b}'::text[])) AS g (x, y);
CREATE VIEW no_columns AS SELECT FROM enums;
CREATE VIEW sampled AS SELECT id FROM ONLY goods TABLESAMPLE bernoulli (50) REPEATABLE (1);
CREATE VIEW constants AS SELECT 'unknown' AS u, NULL AS n, '2020-01-01 00:00+00'::timestamptz AS t, '1 mon'::interval AS i, 1e10 AS f, true AS "bool", ARRAY[]::integer[] AS a, E'\\' AS b;
-- Two views that need each other: the first is replaced once the second is there.
CREATE VIEW circle_a AS SELECT 1 AS x, NULL::bigint AS y;
CREATE VIEW circle_b AS SELECT x, y FROM circle_a;
CREATE FUNCTION circle_count(circle_b) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1::bigint';
CREATE OR REPLACE VIEW circle_a AS SELECT 1 AS x, circle_count(NULL::circle_b) AS y;
COMMENT ON VIEW happy IS 'E''s';
COMMENT ON COLUMN happy.mood IS 'good';
