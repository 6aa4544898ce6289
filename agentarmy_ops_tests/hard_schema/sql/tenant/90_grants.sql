DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO hard_reader, "Hard Writer", hard_chain WITH GRANT OPTION', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', current_schema());
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', current_schema(), E'the tenant''s\n"schema"');
END
$$;
GRANT SELECT ON enums TO hard_reader, "Hard Writer", "hard ""quoted"" ролё";
GRANT SELECT (id, mood), UPDATE (mood), REFERENCES (id) ON enums TO "Hard Writer" WITH GRANT OPTION;
GRANT INSERT (t), SELECT (id) ON texts TO hard_reader;
GRANT SELECT ("UPPER") ON "Table. ""With"" 'Quotes'; -- %s $1 \n /*" TO "hard ""quoted"" ролё";
GRANT ALL ON json_values TO "Hard Writer";
GRANT SELECT, TRIGGER, TRUNCATE ON bytes TO PUBLIC;
REVOKE ALL ON arrays FROM CURRENT_USER;
REVOKE DELETE, TRUNCATE ON dates FROM CURRENT_USER;
GRANT SELECT ON events, events_old TO hard_reader;
GRANT USAGE, SELECT ON SEQUENCE never_called TO hard_reader;
GRANT ALL ON SEQUENCE cached TO "Hard Writer" WITH GRANT OPTION;
GRANT SELECT ON joined, far_away TO hard_reader;

-- A chain: owner, then hard_reader, then hard_chain.
GRANT SELECT, UPDATE ON domains TO hard_reader WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION plain_sql(integer, integer, integer[]) TO hard_reader WITH GRANT OPTION;
RESET ROLE;
SET ROLE hard_reader;
GRANT SELECT ON domains TO hard_chain WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION plain_sql(integer, integer, integer[]) TO hard_chain;
RESET ROLE;
SET ROLE hard_chain;
GRANT SELECT ON domains TO "Hard Writer";
RESET ROLE;
SELECT set_config('role', current_setting('app.hard_owner'), false);

REVOKE ALL ON FUNCTION fixed_search_path() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fixed_search_path() TO hard_reader;
REVOKE ALL ON PROCEDURE tidy(integer, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION longest(text) FROM PUBLIC, CURRENT_USER;
REVOKE USAGE ON TYPE mood FROM PUBLIC;
GRANT USAGE ON TYPE mood TO hard_reader WITH GRANT OPTION;
REVOKE USAGE ON DOMAIN positive FROM PUBLIC;
GRANT USAGE ON DOMAIN positive TO "Hard Writer";
REVOKE ALL ON TYPE words FROM PUBLIC;
