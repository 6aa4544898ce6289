-- What objects of the schemas need outside of them, but for what every database has.
SELECT DISTINCT
    needed.schema,
    pg_extension.extname AS extension,
    identity.type,
    identity.schema AS outside_schema,
    identity.identity
FROM (
    SELECT DISTINCT
        schema_objects.schema, pg_depend.refclassid AS classid, pg_depend.refobjid AS objid
    FROM schema_objects
    JOIN pg_depend USING (classid, objid)
    WHERE pg_depend.refobjid >= 16384 -- FirstNormalObjectId: smaller ones are built in
) AS needed
LEFT JOIN schema_objects AS own
    ON own.classid = needed.classid AND own.objid = needed.objid AND own.schema = needed.schema
LEFT JOIN pg_depend AS membership
    ON membership.classid = needed.classid
    AND membership.objid = needed.objid
    AND membership.deptype = 'e'
    AND membership.refclassid = 'pg_extension'::regclass
LEFT JOIN pg_extension
    ON pg_extension.oid = membership.refobjid
    OR (needed.classid = 'pg_extension'::regclass AND pg_extension.oid = needed.objid)
CROSS JOIN LATERAL pg_identify_object(needed.classid, needed.objid, 0) AS identity
WHERE own.objid IS NULL
