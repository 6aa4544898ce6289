-- Every value is given, because the application's own table may have no defaults.
INSERT INTO shared.tenants (id, slug, name, schema_name, is_active, created_at)
VALUES (%(id)s, %(slug)s, %(name)s, %(schema_name)s, true, now())
