DO $$
BEGIN
    EXECUTE pg_catalog.current_setting('agentarmy_ops.statements');
END
$$
