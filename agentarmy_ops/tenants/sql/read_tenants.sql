-- All tenants, or the one of a slug. Byte order, so that every server sorts them alike. The
-- application's table may have no column backup_retention.
SELECT id, slug, name, schema_name, is_active, created_at,
    to_jsonb(t) ->> 'backup_retention' AS backup_retention
FROM shared.tenants AS t
WHERE %(slug)s::text IS NULL OR slug = %(slug)s::text
ORDER BY slug COLLATE "C"
