SELECT rolname, rolbypassrls OR rolsuper AS bypasses_rls FROM pg_roles
