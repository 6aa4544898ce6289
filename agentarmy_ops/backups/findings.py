"""What a verification works with, and what it has found out so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agentarmy_ops.archive.difference import Difference
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops.backups.source import usable_cores
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.scratch import ScratchServer
from agentarmy_ops.stores.base import Store


@dataclass(frozen=True)
class Verifier:
    """Where backups are read, where they are restored, and with what.

    ``scratch_for`` gives the scratch server for a PostgreSQL major. ``jobs`` scratch databases
    are worked in at once. ``stop`` ends what runs in them.
    """

    store: Store
    scratch_for: Callable[[int], ScratchServer]
    keys: Keys = field(default_factory=Keys)
    bin_dirs: tuple[Path, ...] = ()
    run_id: str | None = None
    jobs: int = field(default_factory=usable_cores)
    stop: Stop = field(default_factory=Stop)


@dataclass
class Findings:
    """What one verification has found out so far."""

    verifier: Verifier
    ref: BackupRef
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    causes: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    rewritten: tuple[str, ...] = ()
    restore_seconds: float | None = None
    dump_seconds: float | None = None
    archive_sha256: str | None = None
    scratch_server_version: str | None = None
    tool_version: str | None = None
    platform_backup_id: str | None = None

    def compare(self, cause: str, found: Sequence[Difference]) -> None:
        """Note differences, and ``cause`` if there are any."""
        if found:
            self.causes.append(cause)
            self.differences += found

    def verdict(self, error: OpsError | None = None) -> Verdict:
        """Conclude: ``error`` wins over causes, causes over none; stored unless an error."""
        status = Status.FAILED if self.causes else Status.VERIFIED
        verdict = Verdict(
            verification_id=new_id(),
            slug=self.ref.slug,
            backup_id=self.ref.backup_id,
            status=Status.ERROR if error else status,
            causes=(str(error),) if error else tuple(self.causes),
            differences=tuple(self.differences),
            rewritten=self.rewritten,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            restore_seconds=self.restore_seconds,
            dump_seconds=self.dump_seconds,
            archive_sha256=self.archive_sha256,
            scratch_server_version=self.scratch_server_version,
            tool_version=self.tool_version,
            platform_backup_id=self.platform_backup_id,
            run_id=self.verifier.run_id,
        )
        if error is None:
            name = self.ref.verification(verdict.verification_id, verdict.status)
            with self.verifier.store.create(name) as writer:
                writer.write(verdict.encode())
        return verdict
