-- Who would be, or stand in the way of, the tenant's admin: admins first.
SELECT role = 'admin'
FROM users
WHERE role = 'admin' OR lower(email) = lower(%(email)s)
ORDER BY role = 'admin' DESC
LIMIT 1
