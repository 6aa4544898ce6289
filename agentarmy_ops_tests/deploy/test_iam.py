"""Each identity does its work with the grants of ``access.yaml`` and no others; and without any
one of them, some of it fails."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.settings import Environment, Settings
from agentarmy_ops.stores.gcs import GcsStore
from agentarmy_ops.tenants.bootstrap import BACKUP_ROLE, OWNER_ROLE
from agentarmy_ops_tests.deploy.access import EXAMPLE, Grant, Places, Policy, read_grants
from agentarmy_ops_tests.deploy.iam_work import PREFIX, STAGES, World
from agentarmy_ops_tests.fix_backups import make_database
from agentarmy_ops_tests.fix_gcs import QUICK_RETRY
from agentarmy_ops_tests.fix_secrets import NUMBER, PROJECT, SecretManager
from agentarmy_ops_tests.gcs.bucket import Bucket
from agentarmy_ops_tests.gcs.server import Server

# As far as the doubles of Cloud Storage and Secret Manager know it.
TRIED = [
    grant
    for grant in read_grants()
    if grant.permission.partition(".")[0] in {"storage", "secretmanager"}
]


@dataclass(frozen=True)
class Moment:
    """Everything, as it was before a stage."""

    database: ConnInfo
    objects: Any
    logs: Any
    secrets: Any


class Laboratory:
    """A server of each kind, and worlds upon them."""

    def __init__(
        self,
        live: ConnInfo,
        scratch: ConnInfo,
        gcs: Server,
        secret_manager: SecretManager,
        folder: Path,
    ) -> None:
        self.live, self.scratch, self.gcs, self.secret_manager = live, scratch, gcs, secret_manager
        self.folder = folder
        self.databases: list[ConnInfo] = []

    def places(self, bucket: Bucket) -> Places:
        return Places(bucket.name, PREFIX, NUMBER, PROJECT)

    def begin(self) -> Moment:
        self.databases.append(make_database(self.live))
        return Moment(self.databases[-1], {}, {}, {})

    def save(self, world: World) -> Moment:
        """What there is now. The database is copied: go on with the world's own."""
        database = world.runtime.settings.database_url
        assert database is not None
        now = ConnInfo.parse(database.get_secret_value(), name="DATABASE_URL")
        return Moment(
            self._copy(now),
            deepcopy(world.bucket.objects),
            deepcopy(world.logs.objects),
            deepcopy(self.secret_manager.secrets),
        )

    @contextmanager
    def world(self, moment: Moment, *, copied: bool = True) -> Iterator[World]:
        """A world of that moment, with buckets of its own."""
        bucket = self._bucket(f"bucket-{uuid.uuid4().hex[:12]}", moment.objects)
        logs = self._bucket(self.places(bucket).logs, moment.logs)
        self.secret_manager.secrets = deepcopy(moment.secrets)
        database = self._copy(moment.database) if copied else moment.database
        settings = Settings(
            _env_file=None,
            environment=Environment.STAGING,
            database_url=database.with_params(user=OWNER_ROLE).url,
            backup_database_url=database.with_params(user=BACKUP_ROLE).url,
            scratch_database_url=self.scratch.url,
            backup_store_url=f"gs://{bucket.name}/{PREFIX}",
            secrets_store_url=f"sm://{PROJECT}",
            offboarding_cooling_off_days=0,
        )
        runtime = Runtime(settings)
        store = GcsStore(bucket.name, PREFIX, chunk_bytes=256 * 1024, retry=QUICK_RETRY)
        runtime.store, runtime.secrets = store, self.secret_manager.store(patience_seconds=0)
        try:
            yield World(runtime, store, bucket, logs, self.secret_manager, self.folder)
        finally:
            del self.gcs.state.buckets[bucket.name], self.gcs.state.buckets[logs.name]

    @contextmanager
    def acting(self, policy: Policy, identity: str) -> Iterator[None]:
        """Both doubles let this identity do what the policy says."""
        policy.identity = identity
        self.gcs.state.allows = self.secret_manager.allows = policy.allows
        try:
            yield
        finally:
            policy.identity = None

    def close(self) -> None:
        self.gcs.state.allows = lambda _permission, _resource: True
        with self.live.connect(autocommit=True) as connection:
            for database in self.databases:
                name = sql.Identifier(database.params["dbname"])
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def _bucket(self, name: str, objects: Any) -> Bucket:
        bucket = self.gcs.state.buckets[name] = Bucket(name)
        for path, (data, resource) in objects.items():
            bucket.put(path, data)
            bucket.objects[path] = data, deepcopy(resource)
        return bucket

    def _copy(self, database: ConnInfo) -> ConnInfo:
        name = f"iam_{uuid.uuid4().hex[:12]}"
        template = sql.Identifier(database.params["dbname"])
        owner = sql.Identifier(OWNER_ROLE)
        with self.live.connect(autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), template
                )
            )
            connection.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(name), owner)
            )
        self.databases.append(self.live.with_params(dbname=name))
        return self.databases[-1]


@dataclass(frozen=True)
class History:
    """What happened when all stages were gone through: the moment before each, and in which stage
    a grant was first used, for which folders in all."""

    moments: list[Moment]
    first_used: dict[str, int]
    folders: dict[str, set[str]]


@pytest.fixture(scope="module")
def laboratory(
    live_server: ConnInfo,
    scratch_server: ConnInfo,
    gcs_server: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Laboratory]:
    secret_manager = SecretManager()
    folder = tmp_path_factory.mktemp("logs")
    laboratory = Laboratory(live_server, scratch_server, gcs_server, secret_manager, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
        yield laboratory
    laboratory.close()
    secret_manager.close()


@pytest.fixture(scope="module")
def history(laboratory: Laboratory) -> History:
    """All stages, each with its identity's grants."""
    moments: list[Moment] = []
    first_used: dict[str, int] = {}
    folders: dict[str, set[str]] = {}
    with laboratory.world(laboratory.begin(), copied=False) as world:
        policy = Policy(laboratory.places(world.bucket))
        policy.grants = list(read_grants(policy.places))
        for number, (identity, stage) in enumerate(STAGES):
            moments.append(laboratory.save(world))
            with laboratory.acting(policy, identity):
                stage(world)
            assert policy.denied == [], f"{stage.__name__} was refused something"
            for grant, folder in policy.used:
                first_used.setdefault(str(grant), number)
                folders.setdefault(str(grant), set()).add(folder)
    return History(moments, first_used, folders)


def test_everybody_can_work_with_their_grants_and_needs_each(history: History) -> None:
    assert sorted(history.first_used) == sorted(map(str, TRIED))


@pytest.mark.parametrize("grant", [one for one in TRIED if one.folders], ids=str)
def test_each_folder_of_a_grant_is_needed(grant: Grant, history: History) -> None:
    assert history.folders[str(grant)] == grant.folders


@pytest.mark.parametrize("grant", TRIED, ids=str)
def test_without_one_permission_the_work_fails(
    grant: Grant, history: History, laboratory: Laboratory
) -> None:
    number = history.first_used[str(grant)]
    identity, stage = STAGES[number]
    with laboratory.world(history.moments[number]) as world:
        policy = Policy(laboratory.places(world.bucket))
        policy.grants = [one for one in read_grants(policy.places) if str(one) != str(grant)]
        with laboratory.acting(policy, identity), pytest.raises(OpsError):
            stage(world)
    assert policy.denied
    assert all(grant.permission in denied for denied in policy.denied)


_OBJECTS = EXAMPLE.names["objects"]
_SECRETS = EXAMPLE.names["secrets"]
_BACKUP = "tenants/acme/20261123T021503Z-7f3a9c"


@pytest.mark.parametrize(
    ("identity", "permission", "resource"),
    [
        ("gateway", "storage.objects.get", f"{_OBJECTS}/{_BACKUP}/archive.dump.zst.age"),
        ("gateway", "storage.objects.create", f"{_OBJECTS}/{_BACKUP}/manifest.json"),
        ("gateway", "storage.objects.delete", f"{_OBJECTS}/{_BACKUP}/manifest.json"),
        ("gateway", "secretmanager.versions.access", f"{_SECRETS}/acme-backup-key/versions/1"),
        ("gateway", "storage.objects.get", f"{_OBJECTS}-of-another/{_BACKUP}/manifest.json"),
        ("daemon", "storage.objects.get", f"{_OBJECTS}/{_BACKUP}/manifest.json"),
        ("daemon", "secretmanager.versions.access", f"{_SECRETS}/acme-backup-key/versions/1"),
        ("migrate", "storage.objects.list", "projects/_/buckets/example-ops-agentarmy-backups"),
        ("doctor", "storage.objects.get", f"{_OBJECTS}/{_BACKUP}/manifest.json"),
        ("doctor", "secretmanager.versions.access", f"{_SECRETS}/acme-backup-key/versions/1"),
        (
            "doctor",
            "secretmanager.versions.access",
            f"{_SECRETS}/platform_part-backup-key-2/versions/1",
        ),
        ("deploy", "storage.objects.list", "projects/_/buckets/example-ops-agentarmy-backups"),
        ("deploy", "secretmanager.versions.access", f"{_SECRETS}/ops_database_url/versions/1"),
        ("run-worker", "storage.objects.create", f"{_OBJECTS}/elsewhere/x"),
        ("run-worker", "storage.objects.create", f"{_OBJECTS}2/{_BACKUP}/manifest.json"),
        ("run-worker", "storage.objects.delete", f"{_OBJECTS}/offboarding/acme/x/request.json"),
        ("run-worker", "storage.objects.update", f"{_OBJECTS}/{_BACKUP}/manifest.json"),
        (
            "run-worker",
            "storage.buckets.update",
            "projects/_/buckets/example-ops-agentarmy-backups",
        ),
        ("run-worker", "secretmanager.versions.access", f"{_SECRETS}/ops_database_url/versions/1"),
        (
            "run-worker",
            "secretmanager.versions.access",
            f"{_SECRETS}/acme-smtp-password/versions/1",
        ),
        ("run-worker", "secretmanager.versions.add", f"{_SECRETS}/ops_database_url"),
        ("run-worker", "secretmanager.versions.destroy", f"{_SECRETS}/ops_redis_url/versions/1"),
        ("run-worker", "secretmanager.secrets.delete", f"{_SECRETS}/ops_database_url"),
        ("run-worker", "secretmanager.secrets.delete", f"{_SECRETS}/scratch_password"),
        (
            "run-worker",
            "secretmanager.versions.access",
            "projects/9/secrets/acme-backup-key/versions/1",
        ),
    ],
)
def test_what_nobody_was_granted_is_refused(identity: str, permission: str, resource: str) -> None:
    policy = Policy(EXAMPLE, list(read_grants()), identity)
    assert not policy.allows(permission, resource)
    assert policy.denied == [f"{identity}: {permission} on {resource}"]


def test_no_identity_may_change_a_bucket_or_a_policy() -> None:
    for grant in read_grants():
        verb = grant.permission.rpartition(".")[2]
        assert "IamPolicy" not in verb, grant
        if grant.permission.startswith("storage.buckets."):
            assert (verb, grant.at) == ("get", "logs"), grant
        assert not grant.permission.startswith("iam."), grant


def test_only_the_run_worker_deletes_anything() -> None:
    erasing = {"delete", "destroy"}
    found = {one.identity for one in read_grants() if one.permission.rpartition(".")[2] in erasing}
    assert found == {"run-worker"}
