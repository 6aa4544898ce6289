-- Restores well, yet a second dump reads otherwise by one space: (VALUES ...) as a branch of a
-- set operation is read back as a subquery and printed as ( VALUES ...).
CREATE VIEW values_branch AS SELECT id, mood::text AS t FROM enums EXCEPT VALUES (1, 'x');
