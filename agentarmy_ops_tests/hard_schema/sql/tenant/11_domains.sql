CREATE DOMAIN positive AS integer CONSTRAINT "must be > 0" CHECK (VALUE > 0);
CREATE DOMAIN small_positive AS positive DEFAULT 7 NOT NULL CONSTRAINT small CHECK (VALUE < 1000);
CREATE DOMAIN email AS text COLLATE "C" CHECK (VALUE ~ '^[^@\s]+@[^@\s]+$') CHECK (length(VALUE) <= 320);
CREATE DOMAIN numbers AS integer[] CHECK (array_length(VALUE, 1) = 3);
CREATE DOMAIN price AS numeric(20, 4) DEFAULT 0.0000;

CREATE TABLE domains (
    id small_positive PRIMARY KEY,
    mail email,
    trio numbers,
    many positive[],
    price price,
    currency shared.currency DEFAULT 'USD'
);
INSERT INTO domains VALUES
    (1, 'a@b.example', '{1,2,3}', '{5,6}', 10.5, 'EUR'),
    (999, NULL, NULL, '{}', NULL, NULL);
INSERT INTO domains (id, price) VALUES (DEFAULT, DEFAULT);

-- A constraint that older values break must come back after the data.
CREATE DOMAIN lately_checked AS text;
CREATE TABLE domain_not_valid (id integer PRIMARY KEY, value lately_checked);
INSERT INTO domain_not_valid VALUES (1, 'short'), (2, 'far too long for the new rule');
ALTER DOMAIN lately_checked ADD CONSTRAINT "is short" CHECK (length(VALUE) < 10) NOT VALID;

COMMENT ON DOMAIN positive IS 'natural';
COMMENT ON CONSTRAINT "must be > 0" ON DOMAIN positive IS 'zero isn''t';
