"""pg_dump's custom format: read it, describe it, compare two of them. Knows no database.

The format is defined by PostgreSQL's ``src/bin/pg_dump/pg_backup_archiver.c`` (header and
table of contents) and ``pg_backup_custom.c`` (data blocks).
"""
