"""Verification of a fleet's backups against a plain restore of the same archives."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from time import monotonic

from agentarmy_ops.backups.create import back_up_platform
from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.backups.verify import verify_backups
from agentarmy_ops.postgres.scratch import ScratchServer
from bench.baselines import restore_from_zstd
from bench.lab import Lab, say
from bench.measure import run, seconds
from bench.report import Goal, Row, at_most
from bench.section import Section
from bench.servers import create_database, drop_databases

_WARM = 5
_LOOP_SECONDS = 300
_DATABASE = "bench_restore_"
_BOUND = 1.3
_RATIO = "verification ÷ restore"


def measure(lab: Lab) -> Iterator[Row]:
    """One row, at the step that has the number of tenants to be verified."""
    fleet = lab.current
    count = len(fleet.tenants)
    if count != lab.size.verified_step(lab.major):
        return
    store, manifests = lab.backups_of(count)
    back_up_platform(fleet.source, store)
    scratch = ScratchServer(lab.scratch)
    verifier = Verifier(store, scratch_for=lambda _: scratch)
    refs = [manifest.ref for manifest in manifests]
    _verify(verifier, refs[:_WARM])
    taken = seconds(lambda: _verify(verifier, refs))
    say(f"  verified {count} backups in {taken:.1f} s; now the plain restores")
    restore, restored = _restore_loop(lab, manifests)
    yield {
        "major": lab.major,
        "backups": count,
        "verification s": taken,
        "s/backup": taken / count,
        "restored in the loop": restored,
        "restore s" if restored == count else "restore s (extrapolated)": restore,
        _RATIO: taken / restore,
        "dump again s (median)": _median_dump(verifier, refs[:_WARM]),
    }


def _verify(verifier: Verifier, refs: Sequence[BackupRef]) -> None:
    for verdict in verify_backups(verifier, refs):
        if verdict.status is not Status.VERIFIED:
            raise RuntimeError(f"{verdict.ref} is not verified: {verdict.summary}")


def _median_dump(verifier: Verifier, refs: Sequence[BackupRef]) -> float:
    verdicts = verify_backups(verifier, refs)
    return statistics.median(verdict.dump_seconds or 0 for verdict in verdicts)


def _restore_loop(lab: Lab, manifests: Sequence[Manifest]) -> tuple[float, int]:
    """Seconds for all, and how many were restored for it: as many as fit into the time."""
    drop_databases(lab.scratch, _DATABASE)
    database = create_database(lab.scratch, f"{_DATABASE}{lab.folder.name[-6:]}")
    root = lab.folder / f"fleet-{len(manifests)}"
    commands = [
        restore_from_zstd(lab, root / manifest.archive.object_name, database.dsn)
        for manifest in manifests
    ]
    for command in commands[:_WARM]:
        run(command)
    started, done = monotonic(), 0
    for command in commands[_WARM:]:
        run(command)
        done += 1
        if monotonic() - started > _LOOP_SECONDS:
            break
    return (monotonic() - started) / done * len(manifests), done


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What verification may cost over a restore."""
    for row in rows:
        text = f"PostgreSQL {row['major']}: verification takes at most {_BOUND}x a plain restore"
        yield at_most(text, float(str(row[_RATIO])), _BOUND)


SECTION = Section(
    name="verify",
    title="Verification of a fleet",
    about=f"""\
`verify_backups` over the newest backup of every tenant, each with the verdict `verified`, against
a loop of `zstd -dc archive | pg_restore --exit-on-error` of the same archives into one database of
the same scratch server. The engine may work on several backups at once, the loop does one after
the other. The first {_WARM} restores only warm up; what they took is extrapolated from the rest, as
is what remains after {_LOOP_SECONDS} seconds of the loop.
""",
    measure=measure,
    per_step=True,
    goals=goals,
)
