CREATE TYPE employee_type AS (name text, salary numeric, boss text);
CREATE TABLE employees OF employee_type (
    name WITH OPTIONS PRIMARY KEY,
    salary WITH OPTIONS NOT NULL DEFAULT 1000,
    boss WITH OPTIONS CHECK (boss <> name) REFERENCES employees (name) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO employees VALUES ('low', 1, 'high'), ('high', 2, NULL);
INSERT INTO employees (name) VALUES ('new');
