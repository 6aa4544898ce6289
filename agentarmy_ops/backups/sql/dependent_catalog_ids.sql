-- Everything outside the schemas that, directly or not, sits on something in them: the oid of its
-- catalogue and its own, as pg_dump writes them in its archive.
, dependents (classid, objid) AS (
    SELECT pg_depend.classid, pg_depend.objid
    FROM schema_objects
    JOIN pg_depend
        ON pg_depend.refclassid = schema_objects.classid
        AND pg_depend.refobjid = schema_objects.objid
    EXCEPT
    SELECT classid, objid FROM schema_objects
),
closure (classid, objid) AS (
    SELECT classid, objid FROM dependents
    UNION
    SELECT reached.classid, reached.objid
    FROM closure
    CROSS JOIN LATERAL (
        SELECT classid, objid
        FROM pg_depend
        WHERE refclassid = closure.classid AND refobjid = closure.objid
        UNION ALL
        -- The object this is an inner part of: a rule's view.
        SELECT refclassid, refobjid
        FROM pg_depend
        WHERE classid = closure.classid AND objid = closure.objid AND deptype = 'i'
    ) AS reached
)
SELECT classid::int8, objid::int8 FROM closure
EXCEPT
SELECT classid::int8, objid::int8 FROM schema_objects
