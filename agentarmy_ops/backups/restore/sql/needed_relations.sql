-- Tables, views and sequences of the schema without which these tables could not be: a column has
-- the type of another table's rows, a check calls a function that reads one. Policies are not
-- looked into, nor whose a sequence is: a policy or a default may go with what it needs.
WITH RECURSIVE parts (classid, objid, refclassid, refobjid) AS MATERIALIZED (
    -- Both ways: what an object needs, and what is a part of it (but not its partitions).
    SELECT d.classid, d.objid, d.refclassid, d.refobjid FROM pg_depend AS d
    LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    WHERE d.refobjid >= 16384 -- FirstNormalObjectId
      AND c.relkind IS DISTINCT FROM 'S'
    UNION ALL
    SELECT d.refclassid, d.refobjid, d.classid, d.objid FROM pg_depend AS d
    LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    WHERE d.deptype IN ('a', 'i')
      AND d.classid <> 'pg_policy'::regclass
      AND c.relispartition IS NOT true
),
needed (classid, objid) AS (
    SELECT 'pg_class'::regclass::oid, oid FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
      AND relname = ANY (%(tables)s)
    UNION
    SELECT parts.refclassid, parts.refobjid
    FROM needed
    JOIN parts ON parts.classid = needed.classid AND parts.objid = needed.objid
)
SELECT relname AS name
FROM needed
JOIN pg_class ON needed.classid = 'pg_class'::regclass AND pg_class.oid = needed.objid
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
ORDER BY 1
