-- Its restore stops: the marks of CYCLE are printed as 'Y'::text, which the grammar refuses.
CREATE VIEW cycle_marks AS
    WITH RECURSIVE walk AS (
        SELECT id, parent FROM tree WHERE parent IS NULL
        UNION ALL
        SELECT t.id, t.parent FROM tree AS t JOIN walk AS w ON t.parent = w.id
    ) CYCLE id SET is_cycle TO 'Y' DEFAULT 'N' USING path
    SELECT id, is_cycle FROM walk;
