"""Readers of fleets, and verdicts that were never found."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.observability.fleet.read import FleetReader
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.bootstrap import BACKUP_ROLE
from agentarmy_ops_tests.backups.stored import id_of, put_object
from agentarmy_ops_tests.fix_backups import Lab

NOW = datetime.now(UTC).replace(microsecond=0)


def reader_of(lab: Lab, store: Store | None = None) -> FleetReader:
    """What the gateway reads this lab with."""
    database = lab.database.with_params(user=BACKUP_ROLE)
    return FleetReader(lambda: store or lab.store, lambda: database.connect(autocommit=True))


PutVerdict = Callable[..., Verdict]


@pytest.fixture
def put_verdict() -> PutVerdict:
    """Store a verdict on a backup: the status, and how many minutes from now it was found."""

    def put(
        lab: Lab, ref: BackupRef, status: Status, *, after: int = 0, named: bool = True
    ) -> Verdict:
        verdict = Verdict(
            verification_id=id_of(NOW, after),
            slug=ref.slug,
            backup_id=ref.backup_id,
            status=status,
            started_at=NOW,
            finished_at=NOW + timedelta(minutes=after),
            restore_seconds=1.5 + after,
        )
        name = ref.verification(verdict.verification_id, status)
        if not named:
            name = name.replace(f".{status}.", ".")
        put_object(lab.store, name, NOW, verdict.encode())
        return verdict

    return put
