-- Tables, views and sequences of the schema without which these tables could not be: a column has
-- the type of another table's rows, a policy or a function in a check reads one. Whose a sequence
-- is does not count: the default that calls it may go with it.
WITH RECURSIVE needs (classid, objid, refclassid, refobjid) AS MATERIALIZED (
    -- Both ways: what an object needs, and its parts with what they need.
    SELECT d.classid, d.objid, d.refclassid, d.refobjid FROM pg_depend AS d
    LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    WHERE d.refobjid >= 16384 -- FirstNormalObjectId
      AND c.relkind IS DISTINCT FROM 'S'
    UNION ALL
    SELECT refclassid, refobjid, classid, objid FROM pg_depend WHERE deptype IN ('a', 'i')
),
needed (classid, objid) AS (
    SELECT 'pg_class'::regclass::oid, oid FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
      AND relname = ANY (%(tables)s)
    UNION
    SELECT needs.refclassid, needs.refobjid
    FROM needed
    JOIN needs ON needs.classid = needed.classid AND needs.objid = needed.objid
)
SELECT relname AS name
FROM needed
JOIN pg_class ON needed.classid = 'pg_class'::regclass AND pg_class.oid = needed.objid
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
ORDER BY 1
