"""pg_dump locks every table and sequence it dumps, all at once; the server has so many locks.

Past the budget it stops with "out of shared memory", and so may any other session. Above about
half, too little is left for the application.
"""

from collections.abc import Iterator

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.doctor.finding import Finding, fail, ok, warn
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

CHECK = "lock-budget"
# The catalogues pg_dump reads, and their indexes (160 with PostgreSQL 16).
_CATALOGUE_LOCKS = 200


def check_lock_budget(
    connection: psycopg.Connection[TupleRow], lock_slots: int, batch_size: int
) -> Iterator[Finding]:
    """Compare the largest tenant, and the largest batch there can be, with the server's locks."""
    rows = connection.execute(
        load_sql(__file__, "relations_per_tenant"), {"prefix": SCHEMA_PREFIX}
    ).fetchall()
    largest = rows[0] if rows else ("", 0)
    counts = [int(count) for _, count in rows]
    # What one tenant needs, the server must have; half of it, to leave room for others.
    alone = int(largest[1]) + _CATALOGUE_LOCKS
    batch = sum(counts[:batch_size]) + _CATALOGUE_LOCKS
    if alone > lock_slots // 2:
        level = fail if alone > lock_slots else warn
        yield level(
            CHECK,
            f"a dump of schema {largest[0]} takes about {alone} of the server's {lock_slots} locks",
            "raise max_locks_per_transaction and restart the server",
        )
    elif batch > lock_slots // 2:
        yield warn(
            CHECK,
            f"the {min(batch_size, len(counts))} largest tenants in one batch take about {batch} "
            f"of the server's {lock_slots} locks",
            f"set MAX_PARTITIONS_PER_RUN to {_fitting(counts, lock_slots // 2)} or less, or raise "
            "max_locks_per_transaction",
        )
    else:
        yield ok(CHECK, f"the largest batch takes about {batch} of the server's {lock_slots} locks")


def _fitting(counts: list[int], budget: int) -> int:
    """How many of the largest tenants fit the budget together."""
    total = _CATALOGUE_LOCKS
    for fitting, count in enumerate(counts):
        total += count
        if total > budget:
            return max(fitting, 1)
    return max(len(counts), 1)
