"""The work of each identity, stage after stage, on a database, a bucket and secrets."""

import uuid
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster_gcp.gcs import GCSComputeLogManager
from google.api_core.exceptions import GoogleAPIError
from google.cloud.secretmanager_v1 import SecretVersion

from agentarmy_ops.backups.catalog import backed_up_slugs, latest_backup, list_many
from agentarmy_ops.backups.create import back_up_platform, back_up_tenants
from agentarmy_ops.backups.keys_versions import destroy_unused, look_up_key
from agentarmy_ops.backups.prune import Pruner
from agentarmy_ops.backups.pruned import Action
from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.backups.restore.swap import restore_tenant
from agentarmy_ops.backups.retention import Policy as Retention
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.backups.verify import verify_backups, verify_platform
from agentarmy_ops.doctor.bucket import check_bucket
from agentarmy_ops.doctor.secrets_store import check_secrets_store
from agentarmy_ops.errors import OpsError
from agentarmy_ops.observability.fleet.read import FleetReader
from agentarmy_ops.offboarding.erase import erase_tenant
from agentarmy_ops.offboarding.records import BackupsMode
from agentarmy_ops.offboarding.request import request_offboarding
from agentarmy_ops.orchestration.staleness import is_stale
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.secrets.base import secret_id
from agentarmy_ops.stores.gcs import GcsStore
from agentarmy_ops.tenants.registry import read_registry
from agentarmy_ops.web.health.checks import StoreCheck
from agentarmy_ops_tests.fix_secrets import SecretManager
from agentarmy_ops_tests.gcs.bucket import Bucket

TENANTS = ("acme", "globex", "initech")


class WorkFailedError(OpsError):
    """What was to be done was not done, and no error was raised to the end."""


@dataclass(frozen=True)
class World:
    """What a stage works with."""

    runtime: Runtime
    store: GcsStore
    bucket: Bucket
    logs: Bucket
    secret_manager: SecretManager
    folder: Path

    def back_up(self) -> None:
        """Every tenant, and the platform part."""
        with self.runtime.registry() as connection:
            tenants = read_registry(connection).tenants
        for outcome in back_up_tenants(self.runtime.source(), self.store, tenants):
            if outcome.error:
                raise outcome.error
        back_up_platform(self.runtime.source(), self.store)

    def verify(self) -> None:
        """The newest backup of every tenant, and of the platform part."""
        verifier = self.runtime.verifier()
        refs = [latest_backup(self.store, slug).ref for slug in TENANTS]
        verdicts = [*verify_backups(verifier, refs)]
        verdicts.append(verify_platform(verifier, latest_backup(self.store, None).ref))
        for verdict in verdicts:
            if verdict.status is not Status.VERIFIED:
                raise WorkFailedError(f"{verdict.ref}: {verdict.causes}")

    def offboard(self, slug: str, mode: BackupsMode) -> None:
        """Erase a tenant whose offboarding was requested."""
        erase_tenant(self.runtime.offboarder(), slug, backups=mode)


def provision(world: World) -> None:
    for slug in TENANTS:
        world.runtime.provision(slug, name=slug, admin_email=f"admin@{slug}.example")


def provision_again(world: World) -> None:
    """The password was stored, and then provisioning was cut short."""
    world.secret_manager.secrets["umbrella-admin-password"] = deepcopy(
        world.secret_manager.secrets["acme-admin-password"]
    )
    world.runtime.provision("umbrella", name="umbrella", admin_email="admin@umbrella.example")


def back_up(world: World) -> None:
    world.back_up()


def rotate_keys(world: World) -> None:
    for slug in (*TENANTS, None):
        world.runtime.keys.rotate(slug)


def verify(world: World) -> None:
    world.verify()


def restore(world: World) -> None:
    restore_tenant(world.runtime.restorer(), choose_backup(world.store, "globex"))


def prune(world: World) -> None:
    pruner = Pruner(world.store, Retention(1, 0, 0), apply=True)
    with world.runtime.registry() as connection:
        registered = {row.slug: None for row in read_registry(connection).tenants}
    removed = 0
    for pruned in pruner.prune_all(registered):
        if pruned.error:
            raise pruned.error
        removed += sum(item.action is Action.REMOVED for item in pruned.items)
    if removed != len(TENANTS) + 2:
        raise WorkFailedError(f"{removed} backups were removed")


def destroy_unused_keys(world: World) -> None:
    key = look_up_key(world.runtime.keys, world.store, "globex")
    if destroy_unused(world.runtime.keys, key, datetime.now(UTC) + timedelta(days=2)) != ["1"]:
        raise WorkFailedError("nothing was destroyed")


def request(world: World) -> None:
    for slug in ("acme", "initech"):
        request_offboarding(world.runtime.offboarder(), slug)


def look_at_the_fleet(world: World) -> None:
    fleet = FleetReader(lambda: world.store, world.runtime.registry).read()
    if fleet.problems:
        raise WorkFailedError("; ".join(fleet.problems))
    StoreCheck(lambda: world.store)()


def look_for_stale_backups(world: World) -> None:
    older_than = datetime.now(UTC) - timedelta(hours=26)
    if any(is_stale(world.store, slug, older_than) for slug in (*TENANTS, None)):
        raise WorkFailedError("a backup is stale")
    if sorted(backed_up_slugs(world.store)) != sorted([*TENANTS, "umbrella"]):
        raise WorkFailedError("tenants are missing")
    for _ in list_many(world.store, TENANTS):
        pass


def examine(world: World) -> None:
    list(check_bucket(world.store))
    list(check_secrets_store(world.runtime.secrets, "sm://"))


def examine_disabled_key(world: World) -> None:
    """The newest version of the key is disabled: an older one is asked for."""
    versions = world.secret_manager.secrets[secret_id(None, "backup-key")].versions
    versions[max(versions)].state = SecretVersion.State.DISABLED
    examine(world)


def open_instance(world: World) -> GCSComputeLogManager:
    """What every process does that reads the production ``dagster.yaml``."""
    try:
        return GCSComputeLogManager(bucket=world.logs.name, local_dir=str(world.folder))
    except GoogleAPIError as error:
        raise WorkFailedError(str(error)) from error


def write_log(world: World) -> None:
    log_key = ["sensor", uuid.uuid4().hex]
    logs = open_instance(world)
    try:
        with logs.local_manager.open_log_stream(log_key, ComputeIOType.STDERR) as stream:
            assert stream is not None
            stream.write("a line")
        logs.upload_to_cloud_storage(log_key, ComputeIOType.STDERR)
    except GoogleAPIError as error:
        raise WorkFailedError(str(error)) from error


def read_logs(world: World) -> None:
    """One that is there, and one that is not."""
    logs = open_instance(world)
    try:
        there, _ = sorted(logs.get_log_keys_for_log_key_prefix(["sensor"], ComputeIOType.STDERR))
        logs.download_from_cloud_storage(there, ComputeIOType.STDERR)
        if logs.is_capture_complete(["none"]):
            raise WorkFailedError("there is no such log")
    except GoogleAPIError as error:
        raise WorkFailedError(str(error)) from error


def shred(world: World) -> None:
    """Once, and again as if it had been cut short before the certificate."""
    world.offboard("acme", BackupsMode.SHRED)
    certificate = "offboarding/acme/"
    for name in [item.name for item in world.store.list(certificate)]:
        if "/certificate-" in name:
            world.bucket.delete(f"{PREFIX}/{name}", None)
    world.offboard("acme", BackupsMode.SHRED)


def delete(world: World) -> None:
    world.offboard("initech", BackupsMode.DELETE)


PREFIX = "agentarmy"
Stage = tuple[str, Callable[[World], object]]
STAGES: list[Stage] = [
    ("run-worker", provision),
    ("run-worker", provision_again),
    ("run-worker", back_up),
    ("run-worker", rotate_keys),
    ("run-worker", back_up),
    ("run-worker", verify),
    ("run-worker", restore),
    ("run-worker", prune),
    ("run-worker", destroy_unused_keys),
    ("run-worker", request),
    ("gateway", look_at_the_fleet),
    ("daemon", look_for_stale_backups),
    ("doctor", examine),
    ("run-worker", shred),
    ("run-worker", delete),
    ("doctor", examine_disabled_key),
    ("run-worker", write_log),
    ("daemon", write_log),
    ("gateway", read_logs),
    ("migrate", open_instance),
]
