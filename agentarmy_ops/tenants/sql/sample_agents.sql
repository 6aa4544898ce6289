INSERT INTO agents (tenant_id, name, model, instructions, settings, is_active, created_at)
SELECT %(tenant_id)s,
       (ARRAY['Buchhaltung', 'Élodie', '調査員', 'Support 🤖', 'Ольга'])[mod(n, 5) + 1] || ' ' || n,
       (ARRAY['small', 'medium', 'large'])[mod(n, 3) + 1],
       CASE WHEN mod(n, 4) > 0 THEN E'Answer in the language of the question.\nBe brief.\t(' || n || ')' END,
       jsonb_build_object('temperature', round(mod(n, 10) / 10.0, 1), 'tools', jsonb_build_array('search', 'sql')),
       mod(n, 7) > 0,
       '2025-01-01T00:00:00Z'::timestamptz + n * interval '1 day'
FROM generate_series(1, %(agents)s::int) AS n
