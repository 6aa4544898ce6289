-- The platform's archive has the view and cannot restore it without the tenant.
DO $$
BEGIN
    EXECUTE format('CREATE VIEW shared.%I AS SELECT id, mood FROM enums', 'view of ' || current_schema());
END
$$;
