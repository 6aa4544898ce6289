CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL DEFAULT 'member',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS users_email_key ON users (lower(email));
COMMENT ON TABLE users IS 'People who may log in to this tenant';
COMMENT ON COLUMN users.password_hash IS 'argon2id, in PHC string format';
COMMENT ON COLUMN users.role IS 'admin or member; provisioning sees to it that there is an admin';
