SELECT has_schema_privilege(%(schema)s, 'CREATE') AND has_schema_privilege(%(schema)s, 'USAGE')
