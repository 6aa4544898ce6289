-- The objects that live in the schemas %(schemas)s. Put before another query, which reads it.
WITH RECURSIVE namespaces AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY (%(schemas)s)
),
named (classid, objid, namespace) AS (
    SELECT 'pg_namespace'::regclass::oid, oid, oid FROM namespaces
    UNION ALL SELECT 'pg_class'::regclass, oid, relnamespace FROM pg_class
    UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type
    UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
    UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace FROM pg_conversion
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace FROM pg_ts_parser
    UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace FROM pg_ts_template
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxnamespace FROM pg_statistic_ext
    UNION ALL SELECT 'pg_constraint'::regclass, oid, connamespace FROM pg_constraint
    UNION ALL SELECT 'pg_default_acl'::regclass, oid, defaclnamespace FROM pg_default_acl
    UNION ALL SELECT 'pg_attrdef'::regclass, d.oid, c.relnamespace
        FROM pg_attrdef AS d JOIN pg_class AS c ON c.oid = d.adrelid
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, c.relnamespace
        FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid, c.relnamespace
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    UNION ALL SELECT 'pg_policy'::regclass, p.oid, c.relnamespace
        FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
    UNION ALL SELECT 'pg_amop'::regclass, o.oid, f.opfnamespace
        FROM pg_amop AS o JOIN pg_opfamily AS f ON f.oid = o.amopfamily
    UNION ALL SELECT 'pg_amproc'::regclass, p.oid, f.opfnamespace
        FROM pg_amproc AS p JOIN pg_opfamily AS f ON f.oid = p.amprocfamily
),
schema_objects (classid, objid, schema) AS MATERIALIZED (
    SELECT named.classid, named.objid, namespaces.nspname
    FROM named
    JOIN namespaces ON namespaces.oid = named.namespace
)
