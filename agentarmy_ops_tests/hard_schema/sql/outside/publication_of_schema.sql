-- As a publication of tables, but the dependency is on the schema itself.
RESET ROLE;
DO $$
BEGIN
    EXECUTE format('CREATE PUBLICATION %I FOR TABLES IN SCHEMA %I', 'schema ' || current_schema(), current_schema());
END
$$;
