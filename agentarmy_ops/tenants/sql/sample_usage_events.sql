WITH conversation AS (
    SELECT id, agent_id, row_number() OVER (ORDER BY id) - 1 AS n FROM conversations
)
INSERT INTO usage_events (tenant_id, agent_id, conversation_id, kind, tokens, cost_usd, payload, occurred_at)
SELECT %(tenant_id)s,
       CASE WHEN mod(u, 9) > 0 THEN conversation.agent_id END,
       CASE WHEN mod(u, 4) > 0 THEN conversation.id END,
       (ARRAY['completion', 'embedding', 'tool_call', 'storage'])[mod(u, 4) + 1],
       CASE WHEN mod(u, 4) < 2 THEN mod(u * 53, 16000) END,
       CASE WHEN mod(u, 11) > 0 THEN round(mod(u::bigint * 7919, 2000003) / 1000000.0, 6) END,
       CASE WHEN mod(u, 6) > 0
           THEN jsonb_build_object('region', (ARRAY['eu', 'us', NULL])[mod(u, 3) + 1], 'tags', to_jsonb(ARRAY['β', 'n' || mod(u, 100)]))
           ELSE '{}'
       END,
       '2025-03-01T00:00:00Z'::timestamptz + u * interval '41.007 seconds'
FROM generate_series(1, %(usage_events)s::int) AS u
JOIN conversation ON conversation.n = mod(u, %(conversations)s::int)
ORDER BY u
