-- A small tenant. Set before: search_path to its schema, app.number.
CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email text NOT NULL UNIQUE
);
CREATE TABLE notes (
    id bigserial PRIMARY KEY,
    author bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    body text
);
CREATE INDEX notes_author ON notes (author);
CREATE VIEW authors AS SELECT DISTINCT email FROM users JOIN notes ON users.id = author;
COMMENT ON TABLE users IS 'who may write';
COMMENT ON COLUMN notes.body IS 'what was written';
CREATE POLICY own ON notes USING (author > 0);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON users TO hard_reader;
GRANT UPDATE (body) ON notes TO hard_reader;
INSERT INTO users (email)
    SELECT format('user%s@%s.example', i, current_setting('app.number'))
    FROM generate_series(1, current_setting('app.number')::integer % 7) AS i;
INSERT INTO notes (author, body)
    SELECT id, repeat(E'line\n\\. ' || current_setting('app.number'), 5) FROM users;
DO $$
BEGIN
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', current_schema(), 'number ' || current_setting('app.number'));
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO hard_reader', current_schema());
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO hard_reader', current_schema());
END
$$;
