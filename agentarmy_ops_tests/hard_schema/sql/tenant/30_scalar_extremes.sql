CREATE TABLE extremes (
    id integer PRIMARY KEY,
    f4 real, f8 double precision, n numeric, n_scaled numeric(10, -3), n_tiny numeric(3, 8),
    i2 smallint, i4 integer, i8 bigint,
    bits bit(11), varbits bit varying, flag boolean, m money, one "char", fixed character(5), nm name
);
INSERT INTO extremes (id, f4, f8, n, i2, i4, i8) VALUES
    (1, 'NaN', 'NaN', 'NaN', -32768, -2147483648, -9223372036854775808),
    (2, 'Infinity', 'Infinity', 'Infinity', 32767, 2147483647, 9223372036854775807),
    (3, '-Infinity', '-Infinity', '-Infinity', 0, 0, 0),
    (4, 3.4028235e38, 1.7976931348623157e308, 1e131071, NULL, NULL, NULL),
    (5, 1e-45, 5e-324, ('0.' || repeat('0', 16381) || '12')::numeric, NULL, NULL, NULL),
    (6, '-0', '-0', 0.000, NULL, NULL, NULL),
    (7, 0.1, 0.1, 0.10, NULL, NULL, NULL),
    (8, 16777217, 0.30000000000000004, repeat('9', 5000)::numeric, NULL, NULL, NULL);
INSERT INTO extremes (id, n_scaled, n_tiny, bits, varbits, flag, m, one, fixed, nm) VALUES
    (20, 123456789, 0.00000123, B'10101010101', B'', true, '-92233720368547758.08', '\377', 'ab', 'n'),
    (21, -1500, -0.00000999, B'00000000000', ('X' || repeat('5A', 300))::varbit, false, 0, '', '', ''),
    (22, NULL, NULL, NULL, NULL, NULL, NULL, '\', ' x', repeat('é', 31));
