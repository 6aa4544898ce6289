-- A cast is in no schema: the tenant's archive lacks it, the platform's has it and cannot restore it.
CREATE CAST (address AS text) WITH INOUT AS ASSIGNMENT;
