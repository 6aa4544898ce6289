-- A publication is in no schema; its tables go where it goes, or are lost.
RESET ROLE;
DO $$
BEGIN
    EXECUTE format('CREATE PUBLICATION %I FOR TABLE enums (id, mood) WHERE (id > 3), texts WITH (publish = ''insert'')', 'tables of ' || current_schema());
END
$$;
