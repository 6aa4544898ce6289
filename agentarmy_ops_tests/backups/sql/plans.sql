-- What the rows of every small tenant refer to.
CREATE TABLE shared.plans (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO shared.plans VALUES (1, 'Free'), (2, 'Team');
ALTER TABLE shared.plans OWNER TO agentarmy_owner;
GRANT SELECT, REFERENCES ON shared.plans TO PUBLIC;
