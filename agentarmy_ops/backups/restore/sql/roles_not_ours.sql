-- Of the owners asked for, those that this role cannot give objects to: before 16, any member may.
SELECT rolname
FROM pg_roles
WHERE rolname = ANY (%(roles)s)
  AND NOT pg_has_role(
      oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
  )
ORDER BY 1
