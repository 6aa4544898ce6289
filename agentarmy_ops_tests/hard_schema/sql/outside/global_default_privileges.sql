-- Default privileges without a schema belong to the role: the platform's archive has them, and
-- whoever restores the tenant as that role gives its tables grants they never had.
DO $$
BEGIN
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT SELECT ON TABLES TO hard_chain', current_setting('app.hard_owner'));
END
$$;
