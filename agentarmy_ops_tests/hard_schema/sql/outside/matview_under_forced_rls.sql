-- The archive is faithful, yet its restore stops at REFRESH: it runs with row_security off as
-- the owner, whom FORCE ROW LEVEL SECURITY binds. Only an owner with BYPASSRLS gets through.
CREATE MATERIALIZED VIEW of_the_bound_owner AS SELECT id, mood FROM enums;
