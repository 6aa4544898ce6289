-- --schema leaves the extension out though it is in the schema. A database has an extension
-- once, so the one in public moves: every embedding of every tenant now needs this schema.
RESET ROLE;
DO $$
BEGIN
    EXECUTE format('ALTER EXTENSION vector SET SCHEMA %I', current_schema());
END
$$;
