"""PostgreSQL servers and client programs: who to talk to, and with what."""
