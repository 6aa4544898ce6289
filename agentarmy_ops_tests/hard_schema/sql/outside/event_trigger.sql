-- An event trigger is in no schema, its function is in the tenant's.
RESET ROLE;
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
DO $$
BEGIN
    EXECUTE format('CREATE EVENT TRIGGER %I ON ddl_command_end WHEN TAG IN (''DROP FUNCTION'') EXECUTE FUNCTION on_ddl()', 'ddl of ' || current_schema());
END
$$;
