-- Rows of about 100 bytes of COPY text; half of the label cannot be compressed.
INSERT INTO {table} (id, tenant_id, created_at, amount, label)
SELECT
    n,
    {tenant},
    timestamptz '2026-01-01 00:00+00' + n * interval '7 seconds',
    (n % 100000) * 1.37,
    'event ' || substr(md5(n::text || {salt}), 1, 18)
FROM generate_series(1, {rows}) AS n
