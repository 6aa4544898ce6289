-- Roles that own, are granted, or are named by a policy of, something in the schemas.
SELECT DISTINCT
    schema_objects.schema,
    pg_roles.rolname,
    pg_roles.rolbypassrls OR pg_roles.rolsuper AS bypasses_rls
FROM schema_objects
JOIN pg_shdepend USING (classid, objid)
JOIN pg_roles ON pg_roles.oid = pg_shdepend.refobjid
WHERE pg_shdepend.refclassid = 'pg_authid'::regclass
  AND pg_shdepend.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
