CREATE SCHEMA IF NOT EXISTS shared AUTHORIZATION agentarmy_owner;
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

-- No handler: its tables can be defined, dumped and restored, never read.
CREATE FOREIGN DATA WRAPPER hard_dummy;
CREATE SERVER hard_elsewhere FOREIGN DATA WRAPPER hard_dummy OPTIONS (host 'nowhere.invalid', note 'it''s a "dummy"');
GRANT USAGE ON FOREIGN DATA WRAPPER hard_dummy TO PUBLIC;
GRANT USAGE ON FOREIGN SERVER hard_elsewhere TO PUBLIC;

SET ROLE agentarmy_owner;

CREATE TYPE shared.plan_tier AS ENUM ('free', 'team', 'enterprise');
CREATE DOMAIN shared.currency AS text CHECK (VALUE ~ '^[A-Z]{3}$');

CREATE FUNCTION shared.cents(amount numeric) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (round(amount * 100))::bigint;

CREATE TABLE shared.regions (
    code text PRIMARY KEY,
    name text NOT NULL
);
INSERT INTO shared.regions VALUES ('eu', 'Europe'), ('us', 'United States'), ('ap', 'Asia & Pacific');

CREATE TABLE shared.plans (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    tier shared.plan_tier NOT NULL,
    region text REFERENCES shared.regions,
    price numeric(12, 2) NOT NULL,
    currency shared.currency NOT NULL DEFAULT 'EUR',
    price_cents bigint GENERATED ALWAYS AS (shared.cents(price)) STORED
);
INSERT INTO shared.plans (id, name, tier, region, price) VALUES
    (1, 'Free', 'free', 'eu', 0), (2, 'Team', 'team', 'us', 19.90), (3, 'Big', 'enterprise', NULL, 1234.56);

CREATE TABLE shared.locales (
    language text,
    country text,
    PRIMARY KEY (language, country)
);
INSERT INTO shared.locales VALUES ('de', 'DE'), ('de', 'AT'), ('pt', 'BR');

GRANT USAGE ON SCHEMA shared TO PUBLIC;
GRANT SELECT, REFERENCES ON shared.regions, shared.plans, shared.locales TO PUBLIC;

RESET ROLE;
