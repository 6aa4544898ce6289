-- Functions and procedures; an aggregate has no text of its own.
SELECT pg_get_functiondef(oid) AS definition
FROM pg_proc
WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s) AND prokind <> 'a'
ORDER BY oid
