WITH agent AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM agents
), person AS (
    SELECT id FROM users ORDER BY created_at, id LIMIT 1
)
INSERT INTO conversations (tenant_id, agent_id, user_id, title, started_at, ended_at)
SELECT %(tenant_id)s,
       agent.id,
       CASE WHEN mod(c, 3) > 0 THEN (SELECT id FROM person) END,
       CASE WHEN mod(c, 5) > 0 THEN (ARRAY['Rechnung № ', 'Где заказ ', '請求書 ', 'Café ☕ '])[mod(c, 4) + 1] || c END,
       started_at,
       CASE WHEN mod(c, 10) > 0 THEN started_at + make_interval(secs => mod(c * 37, 5400) + 0.125) END
FROM generate_series(1, %(conversations)s::int) AS c
CROSS JOIN LATERAL (SELECT '2025-03-01T08:00:00Z'::timestamptz + c * interval '97 seconds' AS started_at) AS at
JOIN agent ON agent.n = mod(c, %(agents)s::int)
ORDER BY c
