"""Whether tenants of a batch differ only in how PostgreSQL prints the same objects (ADR 4)."""

from collections.abc import Sequence
from contextlib import ExitStack

from agentarmy_ops.archive.data import Sink
from agentarmy_ops.archive.reprint import Reprint, find_reprint
from agentarmy_ops.backups.proof import same_rows
from agentarmy_ops.backups.scratch_restore import RestoreProcess
from agentarmy_ops.backups.verify_restored import Restored, dump_split
from agentarmy_ops.backups.workbench import Bench
from agentarmy_ops.postgres.conninfo import ConnInfo


def accept_reprints(bench: Bench, tenants: Sequence[Restored]) -> list[Restored]:
    """Those of the tenants whose dump is the archive in other words, and has come to rest: the
    dump, restored into another scratch database and dumped there, gives itself.

    Raises:
        OpsError: a dump failed, which says nothing about any of them.
    """
    found: dict[str, tuple[Restored, Reprint]] = {}
    for one in tenants:
        reprint = find_reprint(one.archived, one.again) if one.again else None
        if reprint is not None:
            found[one.schema] = one, reprint
    if not found:
        return []
    with bench.another_database() as second:
        _restore_second(bench, second, [one for one, _ in found.values()])
        third = {
            part.schema: part.description.fingerprint
            for part in dump_split(bench, second, [one for one, _ in found.values()])
        }
    accepted = []
    for schema, (one, reprint) in found.items():
        at_rest = one.again is not None and third.get(schema) == one.again.fingerprint
        if at_rest and same_rows(one.manifest, bench, one.archived, reprint):
            one.findings.rewritten = reprint.definitions
            accepted.append(one)
    return accepted


def _restore_second(bench: Bench, second: ConnInfo, tenants: Sequence[Restored]) -> None:
    """Restore what a dump of the tenants gives. What fails leaves nothing, and is found missing
    from the third dump."""
    manifests = {one.schema: one.manifest for one in tenants}
    running: dict[str, RestoreProcess] = {}
    with ExitStack() as restores:

        def begin(schema: str) -> Sink:
            restore = bench.restore(manifests[schema], second)
            running[schema] = restores.enter_context(restore)
            return running[schema].write

        for part in dump_split(bench, bench.database, tenants, begin):
            running.pop(part.schema).finish()
