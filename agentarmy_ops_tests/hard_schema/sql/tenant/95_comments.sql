COMMENT ON TABLE enums IS E'quotes '' " and\nnew lines \\ and 😀 and -- dashes';
COMMENT ON COLUMN enums.mood IS '';
COMMENT ON COLUMN enums.odd IS E'\\.';
COMMENT ON COLUMN enums.odds IS '$$; DROP TABLE x; --';
COMMENT ON CONSTRAINT enums_pkey ON enums IS 'the key';
COMMENT ON INDEX enums_mood IS 'moody';
COMMENT ON CONSTRAINT has_name ON named IS 'check';
COMMENT ON CONSTRAINT "no overlap" ON bookings IS 'exclusion';
COMMENT ON CONSTRAINT nulls_once ON constrained IS 'unique';
COMMENT ON COLUMN events.kind IS 'of a partitioned table';
COMMENT ON TABLE events_old IS 'of a partition';
COMMENT ON COLUMN "New
Line
\connect postgres".id IS E'in a\r\nstrange table';
COMMENT ON FUNCTION "new
line"(integer) IS 'strange';
COMMENT ON SEQUENCE identities_b_seq IS 'of an identity column';
COMMENT ON TYPE person IS 'human';
COMMENT ON TYPE mood IS NULL;
