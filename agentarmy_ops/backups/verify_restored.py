"""Tenants that were restored side by side, and one dump of them all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

from agentarmy_ops.archive.data import Sink, ignore
from agentarmy_ops.archive.describe import Description
from agentarmy_ops.archive.split import Part, split
from agentarmy_ops.backups.dump import schema_patterns
from agentarmy_ops.backups.findings import Findings
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.workbench import Bench
from agentarmy_ops.postgres.conninfo import ConnInfo


@dataclass
class Restored:
    """A tenant that was restored without complaint: what its archive holds, and what the dump
    of the restored schema holds ``again``."""

    findings: Findings
    manifest: Manifest
    schema: str
    archived: Description
    again: Description | None = None

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same."""
        return self.again is not None and self.again.fingerprint == self.archived.fingerprint


def dump_split(
    bench: Bench,
    database: ConnInfo,
    tenants: Sequence[Restored],
    open_sink: Callable[[str], Sink] = lambda _: ignore,
) -> Iterator[Part]:
    """One dump of the tenants' schemas, split into a part for each.

    Raises:
        ArchiveError, ClientToolError: pg_dump, or what it wrote, failed; no part of it counts.
    """
    schemas = [one.schema for one in tenants]
    lc_monetary = tenants[0].manifest.snapshot.lc_monetary
    with bench.dump(database, schema_patterns(schemas), lc_monetary) as stream:
        yield from split(stream, schemas, open_sink)


def dump_again(bench: Bench, tenants: Sequence[Restored]) -> None:
    """Dump all that was restored, once; each gets its part, and its share of the time.

    Raises:
        OpsError: the dump failed, which says nothing about any of them.
    """
    by_schema = {one.schema: one for one in tenants}
    started = monotonic()
    for part in dump_split(bench, bench.database, tenants):
        by_schema[part.schema].again = part.description
    share = (monotonic() - started) / len(tenants)
    for one in tenants:
        one.findings.dump_seconds = share
