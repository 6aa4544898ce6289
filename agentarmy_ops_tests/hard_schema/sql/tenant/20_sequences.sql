CREATE SEQUENCE never_called;
CREATE SEQUENCE called_once;
SELECT nextval('called_once');
CREATE SEQUENCE downwards AS smallint INCREMENT -3 MINVALUE -32768 MAXVALUE -1 START -5 CYCLE;
SELECT nextval('downwards') FROM generate_series(1, 7);
CREATE SEQUENCE cached AS integer CACHE 50 START 1000 MINVALUE -100 MAXVALUE 5000;
SELECT nextval('cached');
CREATE SEQUENCE worn_out AS bigint MAXVALUE 9223372036854775807 START 9223372036854775806;
SELECT nextval('worn_out'), nextval('worn_out');
CREATE SEQUENCE set_not_called;
SELECT setval('set_not_called', 77, false);
CREATE UNLOGGED SEQUENCE forgetful;
SELECT setval('forgetful', 5);
CREATE SEQUENCE "Odd.Sequence ""x""" START 3;

CREATE TABLE sequence_users (
    id bigserial PRIMARY KEY,
    small smallserial,
    own integer DEFAULT nextval('"Odd.Sequence ""x"""'),
    shared_one integer NOT NULL DEFAULT nextval('cached'),
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid
);
ALTER SEQUENCE "Odd.Sequence ""x""" OWNED BY sequence_users.own;
ALTER SEQUENCE sequence_users_id_seq RENAME TO "renamed id";
-- Owned by a column that does not use it.
CREATE SEQUENCE adopted OWNED BY sequence_users.small;
INSERT INTO sequence_users (small) SELECT i FROM generate_series(1, 300) AS i;
ALTER TABLE sequence_users ALTER COLUMN small DROP DEFAULT;
COMMENT ON SEQUENCE downwards IS 'to the cellar';
