-- Every role that owns, is granted, or is named by a policy of, something in this database.
SELECT DISTINCT pg_roles.rolname, pg_roles.rolbypassrls OR pg_roles.rolsuper AS bypasses_rls
FROM pg_shdepend
JOIN pg_roles ON pg_roles.oid = pg_shdepend.refobjid
WHERE pg_shdepend.refclassid = 'pg_authid'::regclass
  AND pg_shdepend.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
