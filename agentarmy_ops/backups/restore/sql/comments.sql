-- Comments on what is not built in (FirstNormalObjectId).
SELECT objoid, classoid, objsubid, description FROM pg_description WHERE objoid >= 16384
