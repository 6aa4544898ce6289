-- What objects of the schemas need outside of them, but for what every database has.
, needed (schema, classid, objid) AS MATERIALIZED (
    SELECT schema_objects.schema, pg_depend.refclassid, pg_depend.refobjid
    FROM schema_objects
    JOIN pg_depend USING (classid, objid)
    WHERE pg_depend.refobjid >= 16384 -- FirstNormalObjectId: smaller ones are built in
      -- An inner part needs its whole, not the other way round: the trigger on our table behind
      -- a foreign key of somebody else's.
      AND pg_depend.deptype <> 'i'
    EXCEPT
    SELECT schema, classid, objid FROM schema_objects
)
SELECT DISTINCT
    needed.schema,
    pg_extension.extname AS extension,
    identity.type,
    identity.schema AS outside_schema,
    identity.identity
FROM needed
LEFT JOIN pg_depend AS membership
    ON membership.classid = needed.classid
    AND membership.objid = needed.objid
    AND membership.deptype = 'e'
    AND membership.refclassid = 'pg_extension'::regclass
LEFT JOIN pg_extension
    ON pg_extension.oid = coalesce(
        membership.refobjid,
        CASE WHEN needed.classid = 'pg_extension'::regclass THEN needed.objid END
    )
CROSS JOIN LATERAL pg_identify_object(needed.classid, needed.objid, 0) AS identity
