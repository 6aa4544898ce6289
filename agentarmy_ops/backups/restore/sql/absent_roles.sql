-- Of the roles asked for, those the server lacks.
SELECT wanted.name AS rolname
FROM unnest(%(roles)s::text []) AS wanted (name)
WHERE wanted.name NOT IN (SELECT rolname FROM pg_roles)
ORDER BY 1
