-- Apart from the types: a value added by ALTER TYPE is usable after its transaction only.
CREATE TABLE enums (
    id integer PRIMARY KEY,
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid,
    mood mood DEFAULT 'so-so',
    moods mood[] DEFAULT '{happy,"above all"}',
    odd "Odd Enum",
    odds "Odd Enum"[],
    never nothing,
    tier shared.plan_tier DEFAULT 'team'
);
INSERT INTO enums (id, mood, odd, odds)
SELECT i,
       (enum_range(NULL::mood))[1 + i % 4],
       (enum_range(NULL::"Odd Enum"))[1 + i % 8],
       enum_range(NULL::"Odd Enum")
FROM generate_series(1, 40) AS i;
CREATE INDEX enums_mood ON enums (mood) WHERE mood > 'so-so';
