-- Places, from 1, of the keys whose lock was free and is taken now.
SELECT place
FROM unnest(%(keys)s::int8[]) WITH ORDINALITY AS wanted (key, place)
WHERE pg_try_advisory_lock(wanted.key)
