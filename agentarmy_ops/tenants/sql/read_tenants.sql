-- All tenants, or the one of a slug. Byte order, so that every server sorts them alike.
SELECT id, slug, name, schema_name, is_active, created_at
FROM shared.tenants
WHERE %(slug)s::text IS NULL OR slug = %(slug)s::text
ORDER BY slug COLLATE "C"
