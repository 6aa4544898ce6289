"""pg_dump locks every table and sequence it dumps, all at once; the server has so many locks.

Past the budget it stops with "out of shared memory", and so may any other session. Backups take
half of it at most; where that is little, tenants need many dumps, each of which reads the whole
catalogue.
"""

from collections.abc import Iterator

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.backups.plan import CATALOGUE_LOCKS, LOCK_SHARE, room_of_a_dump
from agentarmy_ops.doctor.finding import Finding, fail, ok, warn
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

CHECK = "lock-budget"
# More rounds of dumps than this, one after the other, are mostly spent on the catalogue.
_MOST_ROUNDS = 4


def check_lock_budget(
    connection: psycopg.Connection[TupleRow], lock_slots: int, concurrent_dumps: int
) -> Iterator[Finding]:
    """Compare the largest tenant, and all of them, with what the server's locks allow."""
    rows = connection.execute(
        load_sql(__file__, "relations_per_tenant"), {"prefix": SCHEMA_PREFIX}
    ).fetchall()
    name, relations = rows[0] if rows else ("", 0)
    alone = int(relations) + CATALOGUE_LOCKS
    if alone > lock_slots * LOCK_SHARE:
        level = fail if alone > lock_slots else warn
        yield level(
            CHECK,
            f"a dump of schema {name} takes about {alone} of the server's {lock_slots} locks",
            "raise max_locks_per_transaction and restart the server",
        )
        return
    total = sum(int(count) for _, count in rows)
    room = room_of_a_dump(lock_slots, concurrent_dumps)
    dumps = -(-total // room)
    if dumps > _MOST_ROUNDS * concurrent_dumps:
        wanted = (total + CATALOGUE_LOCKS * concurrent_dumps) / LOCK_SHARE / lock_slots
        yield warn(
            CHECK,
            f"{len(rows)} tenants need {dumps} dumps, for the server has {lock_slots} locks",
            f"raise max_locks_per_transaction {wanted:.1f}-fold, so that a dump has room for more",
        )
    else:
        yield ok(CHECK, f"{len(rows)} tenants go into {dumps} dumps")
