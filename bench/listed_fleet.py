"""A fleet as its reader sees it: a registry with schemas, and the objects of many nights' backups.

Empty is what nobody reads: schemas, archives, and all objects of backups but the newest. Manifests
are copies of that of a real backup.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from agentarmy_ops.backups.manifest import Manifest, TenantFacts
from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.registry import Tenant, read_tenants
from agentarmy_ops.tenants.slug import schema_name
from bench.fleets import grown, new_fleet
from bench.lab import Lab, back_up
from bench.servers import building

_NAME = "bench_fleet_listed_"


@dataclass(frozen=True)
class ListedFleet:
    """A registry and a store."""

    database: ConnInfo
    root: Path
    tenants: list[Tenant]
    template: Manifest

    def store_night(self, begun: datetime, *, newest: bool = True) -> None:
        """A verified backup of each tenant and of the platform part, begun then."""
        backup_id, verification_id = new_id(begun), new_id(begun + timedelta(hours=1))
        for tenant in (*self.tenants, None):
            ref = BackupRef(tenant.slug if tenant else None, backup_id)
            verification = ref.verification(verification_id, Status.VERIFIED)
            folder = self.root / ref.prefix
            folder.mkdir(parents=True)
            for name in (ref.archive, ref.manifest, verification):
                (self.root / name).touch()
            if newest:
                (self.root / ref.manifest).write_bytes(self._manifest(ref, tenant))
                verdict = _verdict(ref, verification_id, begun)
                (self.root / verification).write_bytes(verdict.encode())

    def _manifest(self, ref: BackupRef, tenant: Tenant | None) -> bytes:
        facts = tenant and TenantFacts(
            id=tenant.id, slug=tenant.slug, name=tenant.name, schema_name=tenant.schema_name
        )
        archive = self.template.archive.model_copy(update={"object_name": ref.archive})
        changes = {"backup_id": ref.backup_id, "tenant": facts, "archive": archive}
        return self.template.model_copy(update=changes).encode()


def listed_fleet(lab: Lab, tenants: int, nights: int) -> ListedFleet:
    """Build one, in a database and a folder that go with the lab's."""
    fleet = grown(new_fleet(lab.server, _NAME + secrets.token_hex(4)), 1)
    (template,) = back_up(fleet, lab.store("template"), fleet.tenants)
    with building(lab.server), fleet.database.connect() as connection:
        for slug in (f"tenant-{number:05d}" for number in range(tenants)):
            connection.execute(
                "INSERT INTO shared.tenants (id, slug, name, schema_name) VALUES (%s, %s, %s, %s)",
                [uuid5(NAMESPACE_DNS, slug), slug, slug.title(), schema_name(slug)],
            )
            connection.execute(f"CREATE SCHEMA {schema_name(slug)}".encode())
        rows = read_tenants(connection)
    listed = ListedFleet(fleet.conninfo, lab.folder / "listed", rows, template)
    *before, last = _nights(nights)
    for begun in before:
        listed.store_night(begun, newest=False)
    listed.store_night(last)
    return listed


def _verdict(ref: BackupRef, verification_id: str, begun: datetime) -> Verdict:
    return Verdict(
        verification_id=verification_id,
        slug=ref.slug,
        backup_id=ref.backup_id,
        status=Status.VERIFIED,
        started_at=begun,
        finished_at=begun + timedelta(hours=1),
        restore_seconds=secrets.randbelow(5000) / 1000,
    )


def _nights(number: int) -> Iterable[datetime]:
    """One a day, the last one yesterday."""
    today = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
    return (today - timedelta(days=night) for night in range(number, 0, -1))
