"""Which tenants share a pg_dump: few dumps, none too large, the longest first.

A dump reads the whole catalogue whatever it dumps, so tenants should share it; it holds a lock on
each of their tables to its end, in a lock table that all sessions of the server share, so not too
many of them. This plans the dumps of one run; :mod:`agentarmy_ops.backups.lock_budget` sees to it
that those of several runs fit together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.tenants.registry import Tenant

# What dumps may take of a server's lock table, live or scratch.
LOCK_SHARE = 0.5
# The catalogues pg_dump reads, and their indexes (160 with PostgreSQL 16).
CATALOGUE_LOCKS = 200
# A dump's table of contents is held in memory: about 13 KB for each table with its sequence,
# indexes and constraints.
MOST_RELATIONS = 30_000
# Less is not worth a dump of its own: reading the catalogue takes longer.
FEWEST_RELATIONS = 1_500
LARGE_BYTES = 64 << 20


@dataclass(frozen=True)
class TenantSize:
    """A tenant with the number of relations a dump of it locks and the bytes of its tables."""

    tenant: Tenant
    relations: int
    bytes: int


@dataclass(frozen=True)
class BatchLimits:
    """What one dump may hold, of ``concurrent`` that run at once."""

    relations: int
    bytes: int
    concurrent: int


@dataclass
class Batch:
    """Tenants to be dumped together, largest first."""

    tenants: list[Tenant] = field(default_factory=list)
    relations: int = 0
    bytes: int = 0

    def add(self, size: TenantSize) -> None:
        """Put one more tenant into it."""
        self.tenants.append(size.tenant)
        self.relations += size.relations
        self.bytes += size.bytes

    @property
    def is_large(self) -> bool:
        """Whether it is one tenant's, with much to compress."""
        return len(self.tenants) == 1 and self.bytes >= LARGE_BYTES

    def has_room(self, size: TenantSize, limits: BatchLimits) -> bool:
        """Whether one more keeps to the limits."""
        return (
            self.relations + size.relations <= limits.relations
            and self.bytes + size.bytes <= limits.bytes
        )


def measure(
    connection: Connection, tenants: Sequence[Tenant], *, concurrent: int, batch_bytes: int
) -> tuple[list[TenantSize], BatchLimits]:
    """Look up, in one query, how large tenants are and what a dump of this server may hold.

    A tenant without its schema has the size 0.

    Raises:
        DatabaseError: the catalogue cannot be read.
    """
    rows = query(connection, "sizes", schemas=[tenant.schema_name for tenant in tenants])
    found = {row["schema"]: row for row in rows}
    sizes = [
        TenantSize(tenant, row["relations"], row["bytes"])
        if (row := found.get(tenant.schema_name))
        else TenantSize(tenant, 0, 0)
        for tenant in tenants
    ]
    locks = min((row["server_locks"] for row in rows), default=MOST_RELATIONS)
    relations = min(room_of_a_dump(locks, concurrent), MOST_RELATIONS)
    return sizes, BatchLimits(relations, batch_bytes, concurrent)


def room_of_a_dump(server_locks: int, concurrent: int) -> int:
    """How many relations each of so many dumps may lock on a server with so many locks."""
    return max(int(server_locks * LOCK_SHARE / concurrent) - CATALOGUE_LOCKS, 1)


def locks_of(sizes: Sequence[TenantSize]) -> int:
    """How many locks a dump of these tenants takes: on their relations, and on the catalogue."""
    return CATALOGUE_LOCKS + sum(size.relations for size in sizes)


def plan_batches(sizes: Sequence[TenantSize], limits: BatchLimits) -> list[Batch]:
    """Batches of all tenants, longest first.

    There are as many as run at once, or more where the limits ask for it; a tenant beyond the
    limits goes alone. Each tenant goes to the batch with the fewest bytes that has room.
    """
    shared: list[TenantSize] = []
    alone: list[TenantSize] = []
    for size in sizes:
        fits = Batch().has_room(size, limits)
        (shared if fits else alone).append(size)
    relations = sum(size.relations for size in shared)
    total = sum(size.bytes for size in shared)
    wanted = max(
        min(limits.concurrent, -(-relations // FEWEST_RELATIONS)),
        -(-relations // max(limits.relations, 1)),
        -(-total // max(limits.bytes, 1)),
        1,
    )
    batches = [Batch() for _ in range(wanted if shared else 0)]
    for size in sorted(shared, key=lambda size: (-size.bytes, size.tenant.slug)):
        fitting = [batch for batch in batches if batch.has_room(size, limits)]
        if not fitting:
            batches.append(Batch())
            fitting = batches[-1:]
        min(fitting, key=lambda batch: (batch.bytes, len(batch.tenants))).add(size)
    for size in alone:
        batches.append(Batch())
        batches[-1].add(size)
    return sorted((b for b in batches if b.tenants), key=lambda batch: -batch.bytes)
