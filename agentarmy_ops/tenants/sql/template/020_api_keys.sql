CREATE TABLE IF NOT EXISTS api_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL,
    key_hash text NOT NULL UNIQUE,
    prefix text NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX IF NOT EXISTS api_keys_user_id_idx ON api_keys (user_id);
COMMENT ON TABLE api_keys IS 'Keys for the API; the key itself is shown once and never stored';
COMMENT ON COLUMN api_keys.prefix IS 'First characters of the key, to recognise it by';
COMMENT ON COLUMN api_keys.revoked_at IS 'Set when the key stops working; NULL while it works';
