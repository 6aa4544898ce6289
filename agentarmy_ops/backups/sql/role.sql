SELECT rolname, rolsuper OR rolbypassrls AS sees_all_rows
FROM pg_roles
WHERE rolname = current_user
