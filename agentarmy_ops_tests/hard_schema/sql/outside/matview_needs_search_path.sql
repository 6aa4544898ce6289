-- The archive is faithful, yet its restore stops at REFRESH: pg_restore empties search_path.
-- From 17 on CREATE and REFRESH do so as well, hence the function is spoilt afterwards.
RESET ROLE;
CREATE FUNCTION lost_search_path() RETURNS bigint LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
    AS 'BEGIN RETURN (SELECT count(*) FROM enums); END';
CREATE MATERIALIZED VIEW counted_by_function AS SELECT lost_search_path() AS n;
ALTER MATERIALIZED VIEW counted_by_function OWNER TO hard_definer;
ALTER FUNCTION lost_search_path() RESET search_path;
