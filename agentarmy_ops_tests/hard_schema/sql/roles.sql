DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'CREATE ROLE agentarmy_owner LOGIN',
        'CREATE ROLE agentarmy_backup LOGIN BYPASSRLS',
        'CREATE ROLE hard_reader',
        'CREATE ROLE hard_chain',
        'CREATE ROLE hard_definer BYPASSRLS',
        'CREATE ROLE "Hard Writer"',
        'CREATE ROLE "hard ""quoted"" ролё"'
    ] LOOP
        BEGIN
            EXECUTE wanted;
        EXCEPTION
            -- Two test processes may come here at once: the loser sees either error.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$$;

GRANT pg_read_all_data TO agentarmy_backup;
