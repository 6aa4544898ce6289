CREATE TABLE named (name text NOT NULL DEFAULT 'nobody', note text, CONSTRAINT has_name CHECK (name <> ''));
CREATE TABLE priced (price numeric CONSTRAINT no_gift CHECK (price > 0), note text, CONSTRAINT here_only CHECK (price <> 7) NO INHERIT);
CREATE TABLE goods (id serial PRIMARY KEY, price numeric DEFAULT 5 CONSTRAINT not_dear CHECK (price < 1e6)) INHERITS (named, priced);
CREATE TABLE special_goods (CHECK (price < 100)) INHERITS (goods);
CREATE TABLE bare_child () INHERITS (named);
INSERT INTO named VALUES ('parent', 'p');
INSERT INTO priced VALUES (1, 'p');
INSERT INTO goods (name, note) SELECT 'good ' || i, NULL FROM generate_series(1, 30) AS i;
INSERT INTO special_goods (name, price) VALUES ('special', 9.99);
INSERT INTO bare_child VALUES ('bare', E'a\nb');
ALTER TABLE special_goods ALTER COLUMN name SET DEFAULT 'special', ALTER COLUMN price SET NOT NULL;
ALTER TABLE bare_child ALTER COLUMN name DROP DEFAULT;
-- Was inherited, is no more; and was not, is now.
CREATE TABLE orphan () INHERITS (priced);
ALTER TABLE orphan NO INHERIT priced;
INSERT INTO orphan VALUES (3, 'alone');
CREATE TABLE adopted_child (name text NOT NULL, note text, own integer, CONSTRAINT has_name CHECK (name <> ''));
INSERT INTO adopted_child VALUES ('late', 'n', 1);
ALTER TABLE adopted_child INHERIT named;
