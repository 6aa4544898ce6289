-- --schema leaves the other tenant's table out: the constraint has nothing to refer to.
CREATE TABLE borrowed (id integer PRIMARY KEY, other integer);
DO $$
BEGIN
    EXECUTE format('ALTER TABLE borrowed ADD CONSTRAINT to_other_tenant FOREIGN KEY (other) REFERENCES %I.enums (id)', current_setting('app.hard_other_schema'));
END
$$;
INSERT INTO borrowed VALUES (1, NULL);
