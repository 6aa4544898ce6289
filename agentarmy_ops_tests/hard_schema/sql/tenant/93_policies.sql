CREATE TABLE guarded (
    id integer PRIMARY KEY,
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid,
    owner name NOT NULL DEFAULT 'nobody',
    level integer NOT NULL DEFAULT 1
);
INSERT INTO guarded (id, level) SELECT i, i % 4 FROM generate_series(1, 100) AS i;
CREATE POLICY everything ON guarded FOR ALL TO PUBLIC USING (level < 3) WITH CHECK (level < 2);
CREATE POLICY "only select" ON guarded AS PERMISSIVE FOR SELECT TO hard_reader, "Hard Writer" USING (owner = CURRENT_USER);
CREATE POLICY only_insert ON guarded AS RESTRICTIVE FOR INSERT TO "hard ""quoted"" ролё" WITH CHECK (id > 0);
CREATE POLICY only_update ON guarded FOR UPDATE TO CURRENT_USER USING (true) WITH CHECK (EXISTS (SELECT FROM shared.plans AS p WHERE p.id = guarded.level));
CREATE POLICY only_delete ON guarded AS RESTRICTIVE FOR DELETE USING (id <> ALL (SELECT g.id FROM enums AS g));
COMMENT ON POLICY only_delete ON guarded IS 'few';
-- The function in a policy is not called by a restore.
CREATE TABLE asleep (id integer PRIMARY KEY);
CREATE POLICY sleeping ON asleep USING (needs_search_path() > id);
