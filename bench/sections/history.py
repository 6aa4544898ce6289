"""How Dagster's storage grows with every night, and what pruning it takes and gives back."""

from bench.history import goals, measure
from bench.section import Section

SECTION = Section(
    name="history",
    title="Dagster's record of the nights",
    about="""\
A real night through Dagster over at most 1,000 tenants; its run, with all events and tags, is then
copied in SQL as the nights of the 89 days after it, each event under an id of the copy. Then
`prune_run_history` by its own function, for all runs that ended more than 30 days ago: counted,
done, and done again; then a plain `VACUUM`, as autovacuum does it, and a `VACUUM FULL`, which
nobody needs. Sizes are with indexes and with what PostgreSQL stores out of line. While it is
counted and pruned, another session writes a log line 20 times a second, each in a transaction; the
slowest of these is shown.
""",
    measure=measure,
    goals=goals,
)
