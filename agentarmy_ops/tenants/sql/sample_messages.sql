WITH conversation AS (
    SELECT id, started_at, row_number() OVER (ORDER BY id) - 1 AS n FROM conversations
)
INSERT INTO messages (tenant_id, conversation_id, role, content, metadata, created_at)
SELECT %(tenant_id)s,
       conversation.id,
       (ARRAY['user', 'assistant', 'tool', 'assistant'])[mod(turn, 4) + 1],
       (ARRAY[
           'Können Sie die Lieferung auf Dienstag verschieben? ',
           E'1.\tLog in\n2.\tOpen "Settings"\\Billing\n3.\tPress ⏎ ',
           'これは 100%% 決定的なデータです。',
           '{"rows": 3, "note": "naïve — but quoted ''twice''"} '
       ])[mod(m, 4) + 1] || repeat(md5(m::text), mod(m, 12)),
       CASE WHEN mod(m, 3) > 0 THEN
           jsonb_build_object('tokens', mod(m * 31, 4000), 'latency_s', round(mod(m * 17, 9000) / 1000.0, 3), 'cached', mod(m, 2) = 0)
       END,
       conversation.started_at + turn * interval '11.5 seconds'
FROM generate_series(1, %(messages)s::int) AS m
CROSS JOIN LATERAL (SELECT m / %(conversations)s::int AS turn) AS position
JOIN conversation ON conversation.n = mod(m, %(conversations)s::int)
ORDER BY m
