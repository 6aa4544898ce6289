-- Objects outside the schemas that sit on objects in them: a dump of the schema leaves them
-- out, and they cannot be restored without it.
SELECT DISTINCT dependent.schema, identity.type, identity.identity
FROM (
    SELECT DISTINCT schema_objects.schema, pg_depend.classid, pg_depend.objid
    FROM schema_objects
    JOIN pg_depend
        ON pg_depend.refclassid = schema_objects.classid
        AND pg_depend.refobjid = schema_objects.objid
    WHERE pg_depend.objid >= 16384
) AS dependent
LEFT JOIN schema_objects AS own
    ON own.classid = dependent.classid
    AND own.objid = dependent.objid
    AND own.schema = dependent.schema
LEFT JOIN pg_class
    ON dependent.classid = 'pg_class'::regclass AND pg_class.oid = dependent.objid
LEFT JOIN pg_trigger
    ON dependent.classid = 'pg_trigger'::regclass AND pg_trigger.oid = dependent.objid
CROSS JOIN LATERAL pg_identify_object(dependent.classid, dependent.objid, 0) AS identity
WHERE own.objid IS NULL
  -- Not objects of their own: TOAST tables, and the triggers behind foreign keys.
  AND coalesce(pg_class.relnamespace <> 'pg_toast'::regnamespace, true)
  AND NOT coalesce(pg_trigger.tgisinternal, false)
