"""What offboardings are tried with: two tenants whose slugs begin alike, with all that they can
leave behind."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from agentarmy_ops.backups.create import back_up_tenants
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.request import request_offboarding
from agentarmy_ops.offboarding.steps import Step, Watch, unwatched
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.secrets.base import SecretsStore
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from agentarmy_ops_tests.databases import drop_database
from agentarmy_ops_tests.fix_backups import Lab, copy_of, make_database

NEIGHBOUR = "acme-corp"


class StoppedError(Exception):
    """Stands for a kill."""


def stop_at(place: int) -> Watch:
    """Stops at the step of that place, counted from 0."""
    steps: list[Step] = []

    def watch(step: Step) -> None:
        steps.append(step)
        if len(steps) == place + 1:
            raise StoppedError(step)

    return watch


@dataclass(frozen=True)
class House:
    """A lab with encrypted backups, the secrets of its tenants and, where set, their Redis."""

    lab: Lab
    secrets: SecretsStore
    redis_url: str | None = None
    recovery_recipient: str | None = None

    @property
    def keys(self) -> Keys:
        return Keys(self.secrets, encrypts=True, recovery_recipient=self.recovery_recipient)

    def offboarder(self, watch: Watch = unwatched, **changes: Any) -> Offboarder:
        lab, keys = self.lab, self.keys
        return replace(
            Offboarder(
                restorer=Restorer(
                    lab.database.with_params(user=OWNER_ROLE),
                    lab.store,
                    keys,
                    lock_timeout_seconds=10,
                ),
                source=lab.source(keys=keys),
                verifier=replace(lab.verifier(), keys=keys),
                secrets=self.secrets,
                redis_url=SecretStr(self.redis_url) if self.redis_url else None,
                cooling_off=timedelta(0),
                run_id="run-1",
                watch=watch,
            ),
            **changes,
        )

    def back_up(self, slug: str, *, encrypts: bool = True) -> Manifest:
        source = self.lab.source(keys=replace(self.keys, encrypts=encrypts))
        (outcome,) = back_up_tenants(source, self.lab.store, [self.lab.tenants[slug]])
        assert outcome.manifest is not None, outcome.error
        return outcome.manifest

    def value(self, query: str) -> Any:
        """One value, as the superuser."""
        with self.lab.database.connect() as connection:
            row = connection.execute(query.encode()).fetchone()
        return row and row[0]

    def schemas(self, pattern: str = "tenant_acme%") -> list[str]:
        return list(
            self.value(
                "SELECT coalesce(array_agg(nspname::text ORDER BY nspname), '{}') "
                f"FROM pg_namespace WHERE nspname LIKE '{pattern}'"
            )
        )

    def is_active(self, slug: str = "acme") -> bool | None:
        """None: it is not registered."""
        found = self.value(f"SELECT is_active FROM shared.tenants WHERE slug = '{slug}'")
        return None if found is None else bool(found)

    def objects(self, prefix: str) -> list[str]:
        return [item.name for item in self.lab.store.list(prefix)]


@pytest.fixture(scope="session")
def house_origin(
    live_server: ConnInfo,
    scratch_server: ConnInfo,
    tmp_path_factory: pytest.TempPathFactory,
) -> House:
    """The small tenants acme and acme-corp, each with one encrypted backup, and the platform part;
    acme's is not verified. To be copied."""
    database = make_database(live_server)
    root = tmp_path_factory.mktemp("house")
    lab = Lab(database, root / "store", scratch_server)
    secrets = LocalSecretsStore(root / "secrets")
    house = House(lab, secrets)
    for slug in ("acme", NEIGHBOUR):
        lab.add_small_tenant(slug)
        house.back_up(slug)
        for name in ("admin-password", "smtp-password"):
            secrets.set(f"{slug}-{name}", SecretStr(f"{name} of {slug}"))
    secrets.set("acme-smtp-password", SecretStr("another"))
    return house


@pytest.fixture(scope="session")
def requested_origin(
    house_origin: House,
    live_server: ConnInfo,
    tmp_path_factory: pytest.TempPathFactory,
) -> House:
    """The same after acme's erasure was requested, and is due. To be copied."""
    house = _copy(house_origin, live_server, tmp_path_factory.mktemp("requested"))
    request_offboarding(house.offboarder(), "acme")
    return house


@pytest.fixture
def copies(live_server: ConnInfo, tmp_path: Path) -> Iterator[Callable[[House], House]]:
    """Make a copy of a house, of the test's own."""
    made: list[House] = []

    def copy(origin: House) -> House:
        made.append(_copy(origin, live_server, tmp_path))
        return made[-1]

    yield copy
    for house in made:
        drop_database(house.lab.database)


@pytest.fixture
def house(house_origin: House, copies: Callable[[House], House]) -> House:
    """A house of the test's own."""
    return copies(house_origin)


@pytest.fixture
def requested(requested_origin: House, copies: Callable[[House], House]) -> House:
    """A house of the test's own, in which acme's erasure is due."""
    return copies(requested_origin)


def _copy(origin: House, server: ConnInfo, folder: Path) -> House:
    lab = origin.lab
    database = copy_of(server, lab.database)
    root = folder / database.params["dbname"]
    shutil.copytree(lab.root.parent, root)
    copied = Lab(database, root / "store", lab.scratch_server, dict(lab.tenants))
    return House(copied, LocalSecretsStore(root / "secrets"))


@pytest.fixture
def house_with_redis(house: House, redis_server: str) -> House:
    """The house, and a Redis with five keys of acme and as many of its neighbour."""
    return _with_redis(house, redis_server)


@pytest.fixture
def requested_with_redis(requested: House, redis_server: str) -> House:
    """The same, where acme's erasure is due."""
    return _with_redis(requested, redis_server)


def _with_redis(house: House, redis_server: str) -> House:
    with redis.Redis.from_url(redis_server) as client:
        for tenant in house.lab.tenants.values():
            client.set(f"t:{tenant.id}:initialized", "1")
            for number in range(4):
                client.set(f"t:{tenant.id}:session:{number}", "x")
    return replace(house, redis_url=redis_server)


def redis_keys(house: House, slug: str) -> list[str]:
    """What a tenant has in Redis, without the beginning that all have in common."""
    assert house.redis_url
    beginning = f"t:{house.lab.tenants[slug].id}:"
    with redis.Redis.from_url(house.redis_url, decode_responses=True) as client:
        return sorted(key.removeprefix(beginning) for key in client.keys(f"{beginning}*"))
