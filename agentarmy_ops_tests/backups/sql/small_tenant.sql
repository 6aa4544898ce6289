-- Two tables in the first schema of search_path, isolated as a tenant's are.
CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    plan integer NOT NULL REFERENCES shared.plans,
    tenant_id uuid NOT NULL
);
CREATE TABLE notes (
    id bigserial PRIMARY KEY,
    author bigint NOT NULL REFERENCES users,
    body text NOT NULL,
    tenant_id uuid NOT NULL
);
INSERT INTO users (email, plan, tenant_id)
SELECT format('%s@example.com', i), 1 + i % 2, current_setting('app.current_tenant_id')::uuid
FROM generate_series(1, 20) AS i;
INSERT INTO notes (author, body, tenant_id)
SELECT 1 + i % 20, format('note %s: %s', i, md5(i::text)), current_setting('app.current_tenant_id')::uuid
FROM generate_series(1, 400) AS i;
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON users
    USING (tenant_id = current_setting('app.current_tenant_id', true)::uuid);
CREATE POLICY tenant_isolation ON notes
    USING (tenant_id = current_setting('app.current_tenant_id', true)::uuid);
