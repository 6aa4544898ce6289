CREATE TYPE mood AS ENUM ('sad', 'happy');
ALTER TYPE mood ADD VALUE 'so-so' BEFORE 'happy';
ALTER TYPE mood ADD VALUE 'above all' AFTER 'happy';
ALTER TYPE mood RENAME VALUE 'sad' TO 'très triste';

CREATE TYPE "Odd Enum" AS ENUM ('it''s', 'say "hi"', '', ' ', 'back\slash', 'comma,brace{}', 'Ж', '63________________________________________________________bytes');
CREATE TYPE nothing AS ENUM ();
COMMENT ON TYPE "Odd Enum" IS E'values with ''quotes'',\nlines and "more"';
