CREATE TABLE ruled (id integer PRIMARY KEY, t text);
CREATE TABLE rule_log (id integer, t text, at timestamptz DEFAULT now());
INSERT INTO ruled SELECT i, 't' || i FROM generate_series(1, 20) AS i;
CREATE RULE "log deletes" AS ON DELETE TO ruled DO ALSO INSERT INTO rule_log VALUES (OLD.id, 'gone: ' || OLD.t, '2020-01-01 00:00+00');
CREATE RULE keep_one AS ON DELETE TO ruled WHERE OLD.id = 1 DO INSTEAD NOTHING;
CREATE RULE two_things AS ON UPDATE TO ruled DO ALSO (
    INSERT INTO rule_log (id, t) VALUES (NEW.id, NEW.t) ON CONFLICT DO NOTHING;
    DELETE FROM rule_log WHERE id = OLD.id AND t IS NULL
);
ALTER TABLE ruled DISABLE RULE keep_one;
ALTER TABLE ruled ENABLE ALWAYS RULE two_things;
CREATE VIEW ruled_view AS SELECT id, t FROM ruled;
CREATE RULE insert_through AS ON INSERT TO ruled_view DO INSTEAD INSERT INTO ruled VALUES (NEW.id, upper(NEW.t)) RETURNING id, t;
COMMENT ON RULE keep_one ON ruled IS 'the "first" stays';
