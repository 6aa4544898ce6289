"""Readers of fleets, and backups and verdicts as they would have been written."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentarmy_ops.backups.manifest import Manifest, TenantFacts
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.errors import StoreError
from agentarmy_ops.observability.fleet.read import FleetReader
from agentarmy_ops.stores.base import ObjectInfo, Store
from agentarmy_ops.tenants.bootstrap import BACKUP_ROLE
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops_tests.backups.stored import id_of, put_object
from agentarmy_ops_tests.fix_backups import Backups, Lab

NOW = datetime.now(UTC).replace(microsecond=0)


def reader_of(lab: Lab, store: Store | None = None) -> FleetReader:
    """What the gateway reads this lab with."""
    database = lab.database.with_params(user=BACKUP_ROLE)
    return FleetReader(lambda: store or lab.store, lambda: database.connect(autocommit=True))


class WatchedStore:
    """A store that counts what is read of it. ``broken`` are ends of names that it cannot read;
    ``vanishing`` those of objects that are removed once they were listed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read_names: Counter[str] = Counter()
        self.listed = 0
        self.broken: tuple[str, ...] = ()
        self.vanishing: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.listed += 1
        found = list(self._store.list(prefix))
        for item in found:
            if item.name.endswith(self.vanishing):
                self._store.delete(item.name)
        yield from found

    def read(self, name: str) -> bytes:
        self.read_names[name.rpartition("/")[2]] += 1
        if name.endswith(self.broken):
            raise StoreError(f"cannot read {name}: the disk is broken")
        return self._store.read(name)


PutBackup = Callable[..., Manifest]


@pytest.fixture
def put_backup(good_backups: Backups) -> PutBackup:
    """Store a backup of a tenant (None: of the platform part) that was begun then; keywords are
    fields of its manifest."""

    def put(lab: Lab, tenant: Tenant | None, begun: datetime, **fields: Any) -> Manifest:
        like = good_backups.manifests["acme" if tenant else None]
        ref = BackupRef(tenant.slug if tenant else None, id_of(begun))
        facts = tenant and TenantFacts(
            id=tenant.id, slug=tenant.slug, name=tenant.name, schema_name=tenant.schema_name
        )
        archive = like.archive.model_copy(update={"object_name": ref.archive})
        changes = {"backup_id": ref.backup_id, "tenant": facts, "archive": archive, **fields}
        manifest = like.model_copy(update=changes)
        put_object(lab.store, ref.archive, begun, b"archive")
        put_object(lab.store, ref.manifest, begun, manifest.encode())
        return manifest

    return put


def put_verdict(
    lab: Lab, ref: BackupRef, status: Status, *, after: int = 0, named: bool = True
) -> str:
    """Store a verdict that was found so many minutes from now; ``named``: its name says the status,
    as it did not always. Returns the name."""
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
    return name
