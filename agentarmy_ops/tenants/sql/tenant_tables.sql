-- The tables of schemas and what isolates their rows. Tables that belong to an extension are
-- the extension's business. A policy counts when, for reading and for writing, it compares
-- tenant_id with the setting; how the template words that is its own choice.
--
-- To print a policy is what takes long, and it waits for who has the table locked exclusively. So
-- equal policies over a tenant_id at the same place are printed once, by a table that is not
-- locked where there is one. Equal is what is stored, which includes where in its statement each
-- word stood: those of tables whose names are as long.
WITH tables AS MATERIALIZED (
    SELECT n.nspname AS schema,
           c.relname AS name,
           c.oid,
           c.relrowsecurity AS enabled,
           c.relforcerowsecurity AS forced,
           a.attnum AS tenant_id,
           p.oid AS policy,
           p.polpermissive AND p.polcmd = '*' AS for_all,
           hashtextextended(
               concat(a.attnum, '#', p.polqual, '#', p.polwithcheck), 0
           ) AS alike
    FROM pg_namespace AS n
    JOIN pg_class AS c ON c.relnamespace = n.oid
    LEFT JOIN pg_attribute AS a
        ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        AND a.atttypid = 'uuid'::regtype
    LEFT JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polname = 'tenant_isolation'
    WHERE n.nspname = ANY (%(schemas)s)
      AND c.relkind IN ('r', 'p')
      AND NOT EXISTS (
          SELECT FROM pg_depend AS d
          WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
            AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
      )
),
locked AS MATERIALIZED (
    SELECT relation
    FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
),
models AS MATERIALIZED (
    SELECT DISTINCT ON (tables.alike) tables.alike, tables.policy
    FROM tables
    LEFT JOIN locked ON locked.relation = tables.oid
    WHERE tables.policy IS NOT NULL
    ORDER BY tables.alike, locked.relation NULLS FIRST
),
printed AS MATERIALIZED (
    SELECT models.alike,
           pg_get_expr(p.polqual, p.polrelid) AS reads,
           pg_get_expr(p.polwithcheck, p.polrelid) AS writes
    FROM models
    JOIN pg_policy AS p ON p.oid = models.policy
),
judged AS MATERIALIZED (
    SELECT alike,
           reads ~ '\mtenant_id\M' AND reads ~ '\mapp\.current_tenant_id\M'
           AND coalesce(writes ~ '\mtenant_id\M', true)
           AND coalesce(writes ~ '\mapp\.current_tenant_id\M', true) AS isolates
    FROM printed
)
SELECT tables.schema,
       tables.name,
       tables.enabled,
       tables.forced,
       tables.tenant_id IS NOT NULL AS has_tenant_id,
       tables.policy IS NOT NULL AS has_policy,
       coalesce(tables.for_all AND judged.isolates, false) AS policy_isolates
FROM tables
LEFT JOIN judged ON judged.alike = tables.alike
ORDER BY tables.schema, tables.name
