-- Of relations, types and functions outside the schema, those that are not there.
SELECT wanted.type, wanted.identity
FROM unnest(%(types)s::text [], %(identities)s::text []) AS wanted (type, identity)
WHERE CASE
    WHEN wanted.type IN ('table', 'view', 'materialized view', 'sequence', 'foreign table')
        THEN to_regclass(wanted.identity) IS NULL
    WHEN wanted.type = 'type' THEN to_regtype(wanted.identity) IS NULL
    WHEN wanted.type IN ('function', 'procedure') THEN to_regprocedure(wanted.identity) IS NULL
    WHEN wanted.type = 'schema' THEN to_regnamespace(wanted.identity) IS NULL
    ELSE false
END
ORDER BY 1, 2
