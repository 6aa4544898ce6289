SELECT r.rolsuper, r.rolbypassrls, r.rolcanlogin,
       pg_has_role(r.oid, 'pg_read_all_data', 'MEMBER') AS reads_all,
       coalesce('default_transaction_read_only=on' = ANY (s.setconfig), false) AS read_only
FROM pg_roles AS r
LEFT JOIN pg_db_role_setting AS s ON s.setrole = r.oid AND s.setdatabase = 0
WHERE r.rolname = %(role)s
