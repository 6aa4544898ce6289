-- Objects outside the schemas that sit on objects in them: a dump of the schema leaves them
-- out, and they cannot be restored without it.
, dependents (schema, classid, objid) AS MATERIALIZED (
    SELECT schema_objects.schema, pg_depend.classid, pg_depend.objid
    FROM schema_objects
    JOIN pg_depend
        ON pg_depend.refclassid = schema_objects.classid
        AND pg_depend.refobjid = schema_objects.objid
    WHERE pg_depend.objid >= 16384 -- FirstNormalObjectId: smaller ones are built in
      -- Inner parts come back with their whole: TOAST tables, triggers behind foreign keys.
      AND pg_depend.deptype <> 'i'
    EXCEPT
    SELECT schema, classid, objid FROM schema_objects
)
SELECT DISTINCT dependents.schema, identity.type, identity.identity
FROM dependents
CROSS JOIN LATERAL pg_identify_object(dependents.classid, dependents.objid, 0) AS identity
