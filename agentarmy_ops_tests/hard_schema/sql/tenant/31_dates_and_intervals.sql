CREATE TABLE dates (
    id integer PRIMARY KEY,
    d date, t time, tz time with time zone, ts timestamp, tstz timestamptz,
    i interval, i_short interval day to second(2), t_short timestamp(0)
);
INSERT INTO dates VALUES
    (1, '4714-11-24 BC', '00:00', '00:00+15:59:59', '4714-11-24 00:00:00 BC', '4714-11-24 00:00:00+00 BC', '-178000000 years', '1 day', 'epoch'),
    (2, '5874897-12-31', '24:00', '24:00-15:59:59', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', '1.239 s', '2000-02-29 12:00:00.5'),
    (3, 'infinity', '23:59:59.999999', '12:00:00.000001+05:45', 'infinity', 'infinity', '1 year -2 mons +3 days -04:05:06.789', NULL, 'infinity'),
    (4, '-infinity', NULL, NULL, '-infinity', '-infinity', '0', NULL, '-infinity'),
    (5, '0001-01-01', NULL, NULL, '0044-03-15 10:00 BC', '1883-11-18 12:03:58+00', '-00:00:00.000001', '-1 day +1 s', NULL),
    (6, '2024-02-29', NULL, NULL, '2024-10-27 02:30', '2024-10-27 02:30 Europe/Berlin', '1 mon -30 days +720:00:00', NULL, NULL);
ALTER TABLE dates ADD COLUMN from_default timestamptz NOT NULL DEFAULT '1999-12-31 23:59:59.5 America/New_York';
ALTER TABLE dates ADD COLUMN interval_default interval DEFAULT '1 year 2 mons -3 days 04:05:06.7';
