"""Databases with tenants that are backed up for real, and stores to damage."""

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from agentarmy_ops.backups.create import BackupSource, back_up_platform, back_up_tenants
from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verdict import Verdict
from agentarmy_ops.backups.verify import verify_backups
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.scratch import ScratchServer
from agentarmy_ops.postgres.tools import ClientTools, find_tools
from agentarmy_ops.stores.base import Store
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.tenants.bootstrap import (
    BACKUP_ROLE,
    OWNER_ROLE,
    ensure_registry,
    ensure_roles,
)
from agentarmy_ops.tenants.registry import Tenant, read_tenant
from agentarmy_ops.tenants.slug import schema_name
from agentarmy_ops_tests import hard_schema
from agentarmy_ops_tests.databases import create_database, drop_database
from agentarmy_ops_tests.fix_postgres import Servers
from agentarmy_ops_tests.given import Given

_SQL = Path(__file__).parent / "backups" / "sql"


@dataclass(frozen=True)
class Lab:
    """A live database, the store its backups go to, and the scratch server of its major."""

    database: ConnInfo
    root: Path
    scratch_server: ConnInfo
    tenants: dict[str, Tenant] = field(default_factory=dict)

    @property
    def store(self) -> LocalStore:
        """The store below ``root``."""
        return LocalStore(self.root)

    @property
    def tools(self) -> ClientTools:
        """The client programs of the database's major."""
        with self.database.connect() as connection:
            return find_tools(connection.info.server_version // 10000)

    def source(self, **changes: Any) -> BackupSource:
        """The live database as the backup role, with some fields changed."""
        return replace(BackupSource(self.database.with_params(user=BACKUP_ROLE)), **changes)

    def verifier(self, store: Store | None = None) -> Verifier:
        """What verifies the backups of ``store`` on the scratch server."""
        scratch = ScratchServer(self.scratch_server)
        return Verifier(store or self.store, scratch_for=lambda _: scratch)

    def in_store(self, root: Path) -> "Lab":
        """The same databases with another store."""
        return replace(self, root=root)

    def run(self, statements: str, slug: str | None = None) -> None:
        """Run SQL as the superuser, in a tenant's schema where one is named."""
        with self.database.connect() as connection:
            if slug is not None:
                path = sql.Identifier(schema_name(slug)).as_string()
                connection.execute("SELECT set_config('search_path', %s, true)", [path])
            connection.execute(statements.encode())

    def register(self, slug: str) -> Tenant:
        """Put a tenant into the registry; its schema is the caller's to make."""
        with self.database.connect() as connection:
            connection.execute(
                "INSERT INTO shared.tenants (id, slug, name, schema_name) VALUES (%s, %s, %s, %s)",
                [uuid.uuid4(), slug, slug.title(), schema_name(slug)],
            )
            tenant = self.tenants[slug] = read_tenant(connection, slug)
        return tenant

    def add_small_tenant(self, slug: str) -> Tenant:
        """A tenant of two tables: 20 users and 400 notes."""
        tenant = self.register(slug)
        with self.database.connect() as connection:
            schema = sql.Identifier(tenant.schema_name)
            owner = sql.Identifier(OWNER_ROLE)
            connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, owner))
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(owner))
            connection.execute(
                "SELECT set_config('search_path', %s, true),"
                " set_config('app.current_tenant_id', %s, true)",
                [schema.as_string(), str(tenant.id)],
            )
            connection.execute((_SQL / "small_tenant.sql").read_bytes())
        return tenant

    def add_hard_tenant(self, slug: str) -> Tenant:
        """A tenant with nearly everything in its schema."""
        tenant = self.register(slug)
        hard_schema.create_hard_tenant(self.database, tenant.schema_name, tenant.id)
        return tenant

    def add_outside(self, name: str, slug: str, other: str = "") -> None:
        """Give a hard tenant one of ``hard_schema.OUTSIDE``."""
        tenant = self.tenants[slug]
        hard_schema.apply_outside(
            self.database,
            name,
            tenant.schema_name,
            tenant.id,
            other_schema=schema_name(other) if other else "",
        )

    def back_up(self, slug: str) -> Manifest:
        """Back up one tenant, which must succeed."""
        (outcome,) = back_up_tenants(self.source(), self.store, [self.tenants[slug]])
        assert outcome.error is None, outcome.error
        assert outcome.manifest is not None
        return outcome.manifest

    def back_up_platform(self) -> Manifest:
        """Back up what is in no tenant's schema."""
        return back_up_platform(self.source(), self.store)

    def verify(self, *refs: BackupRef, store: Store | None = None) -> Sequence[Verdict]:
        """The verdicts on backups, in the order of ``refs``."""
        found = {verdict.ref: verdict for verdict in verify_backups(self.verifier(store), refs)}
        return [found[ref] for ref in refs]


NewLab = Callable[..., Lab]


def make_database(server: ConnInfo) -> ConnInfo:
    """A database with roles, registry, and a shared table; drop it by ``drop_database``."""
    database = create_database(server)
    with database.connect() as connection:
        ensure_roles(connection)
        ensure_registry(connection)
        connection.execute((_SQL / "plans.sql").read_bytes())
    return database


def copy_of(server: ConnInfo, database: ConnInfo) -> ConnInfo:
    """A copy of a database of the server; drop it by ``drop_database``."""
    copied = create_database(server, template=database)
    with copied.connect() as connection:
        # Privileges on the database itself are not copied.
        names = sql.Identifier(copied.params["dbname"]), sql.Identifier(OWNER_ROLE)
        connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(*names))
    return copied


@pytest.fixture(scope="session")
def servers_with_vector(request: pytest.FixtureRequest, given: Given) -> tuple[Servers, Servers]:
    """Live and scratch servers that have extension vector, as the embedded ones have."""
    kind = "" if given.has_vector else "embedded_"
    live: Servers = request.getfixturevalue(f"{kind}live_servers")
    scratch: Servers = request.getfixturevalue(f"{kind}scratch_servers")
    return live, scratch


@pytest.fixture(scope="session")
def hard_labs(
    servers_with_vector: tuple[Servers, Servers], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Lab]:
    """Make a lab for hard tenants on a major; its database goes with the session."""
    live_servers, scratch_servers = servers_with_vector

    def make(major: int) -> Lab:
        database = make_database(live_servers(major))
        with database.connect() as connection:
            connection.execute("DROP TABLE shared.plans")  # the hard tenants bring their own
        hard_schema.create_shared(database)
        return Lab(database, tmp_path_factory.mktemp("store"), scratch_servers(major))

    return make


@pytest.fixture
def new_lab(
    live_servers: Servers, scratch_servers: Servers, postgres_major: int, tmp_path: Path
) -> Iterator[NewLab]:
    """Make a lab of a test's own: ``new_lab()``, ``new_lab(18)``."""
    made: list[ConnInfo] = []

    def make(major: int = postgres_major) -> Lab:
        made.append(make_database(live_servers(major)))
        return Lab(made[-1], tmp_path / f"store-{len(made)}", scratch_servers(major))

    yield make
    for database in made:
        drop_database(database)


@pytest.fixture
def lab(new_lab: NewLab) -> Lab:
    """A lab of the test's own, with the small tenant ``acme``."""
    lab = new_lab()
    lab.add_small_tenant("acme")
    return lab


@pytest.fixture
def vector_lab(
    servers_with_vector: tuple[Servers, Servers], given: Given, tmp_path: Path
) -> Iterator[Lab]:
    """The same on servers that have extension vector."""
    major = given.major if given.has_vector or given.live is None else 16
    live, scratch = (servers(major) for servers in servers_with_vector)
    lab = Lab(make_database(live), tmp_path / "store", scratch)
    lab.add_small_tenant("acme")
    yield lab
    drop_database(lab.database)


@dataclass(frozen=True)
class Backups:
    """Backups of a lab's tenants by slug, and of its platform part (None)."""

    lab: Lab
    manifests: dict[str | None, Manifest]

    def ref(self, slug: str | None) -> BackupRef:
        """The one backup of a tenant."""
        return self.manifests[slug].ref

    def path(self, name: str) -> Path:
        """The file of an object."""
        return self.lab.root / name


@pytest.fixture(scope="session")
def good_backups(
    live_server: ConnInfo, scratch_server: ConnInfo, tmp_path_factory: pytest.TempPathFactory
) -> Backups:
    """Backups of the small tenants ``acme`` and ``globex``, and of their platform part. Shared
    by all tests: look, and damage only copies."""
    lab = Lab(make_database(live_server), tmp_path_factory.mktemp("good"), scratch_server)
    manifests: dict[str | None, Manifest] = {}
    for slug in ("acme", "globex"):
        lab.add_small_tenant(slug)
        manifests[slug] = lab.back_up(slug)
    manifests[None] = lab.back_up_platform()
    return Backups(lab, manifests)


@pytest.fixture
def backups(good_backups: Backups, tmp_path: Path) -> Backups:
    """A copy of the good backups, to be damaged."""
    root = tmp_path / "copy"
    shutil.copytree(good_backups.lab.root, root)
    return Backups(good_backups.lab.in_store(root), good_backups.manifests)
