-- The tenant of an id or of a slug; the other one is null.
SELECT id, slug
FROM shared.tenants
WHERE id = %(id)s::uuid OR slug = %(slug)s::text
