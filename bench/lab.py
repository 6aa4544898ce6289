"""What the sections of a run share: servers, fleets, folders."""

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

import click

from agentarmy_ops.backups.create import back_up_tenants
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import ClientTools, find_tools
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.tenants.registry import Tenant
from bench.fleets import Fleet, grown, new_fleet, with_large_tenant
from bench.measure import seconds
from bench.servers import drop_databases, start_live, start_scratch
from bench.sizes import MB, Size

_FLEETS = "bench_fleet_"
_LARGE = "bench_large_"
_RUNS = "run-"


def say(line: str) -> None:
    """One line about the progress, with the time."""
    click.echo(f"{datetime.now(UTC):%H:%M:%S} {line}", err=True)


@dataclass
class Lab:
    """The servers of one PostgreSQL major, and what was built on them in this run.

    ``folder`` holds the run's files; nothing in it is removed before the run ends, because
    files removed a moment ago slow ext4 down.
    """

    home: Path
    major: int
    size: Size
    fleet: Fleet | None = None
    manifests: dict[int, Sequence[Manifest]] = field(default_factory=dict)
    _stamp: str = field(default_factory=partial(secrets.token_hex, 4))
    _large: dict[int, Fleet] = field(default_factory=dict)

    @cached_property
    def folder(self) -> Path:
        """A folder of this run's own."""
        folder = self.home / f"{_RUNS}{self.major}-{self._stamp}"
        folder.mkdir(parents=True)
        return folder

    @cached_property
    def server(self) -> ConnInfo:
        """The live server."""
        return start_live(self.home, self.major)

    @cached_property
    def scratch(self) -> ConnInfo:
        """The scratch server."""
        return start_scratch(self.home, self.major)

    @cached_property
    def tools(self) -> ClientTools:
        """pg_dump and its like of the server's major."""
        return find_tools(self.major)

    @property
    def current(self) -> Fleet:
        """The fleet as it is at this step."""
        assert self.fleet is not None, "no step has begun"  # noqa: S101 - a mistake in the bench
        return self.fleet

    def grow(self, tenants: int) -> Fleet:
        """Let the fleet have so many tenants, which is never fewer than before."""
        if self.fleet is None:
            self.fleet = new_fleet(self.server, _FLEETS + self._stamp)
        before = len(self.fleet.tenants)
        taken = seconds(lambda: self._grow(tenants))
        each = taken / max(1, tenants - before)
        say(f"PostgreSQL {self.major}: {tenants} tenants, built in {taken:.1f} s ({each:.3f} each)")
        return self.fleet

    def _grow(self, tenants: int) -> None:
        self.fleet = grown(self.current, tenants)

    def large(self, copy_bytes: int) -> Fleet:
        """A database with one tenant of so many bytes, built once in a run."""
        if copy_bytes not in self._large:
            say(f"PostgreSQL {self.major}: building a tenant of {copy_bytes / MB:,.0f} MB")
            fleet = new_fleet(self.server, f"{_LARGE}{self._stamp}_{copy_bytes}")
            self._large[copy_bytes] = with_large_tenant(fleet, copy_bytes)
        return self._large[copy_bytes]

    def store(self, name: str) -> LocalStore:
        """A store below the run's folder."""
        return LocalStore(self.folder / name)

    def backups_of(self, tenants: int) -> tuple[LocalStore, Sequence[Manifest]]:
        """The store with the backups of the fleet at that size, made now if no section did."""
        store = self.store(fleet_store(tenants))
        if tenants not in self.manifests:
            self.manifests[tenants] = back_up(self.current, store, self.current.tenants)
        return store, self.manifests[tenants]

    def clean(self) -> None:
        """Drop and remove what this run and interrupted ones made."""
        drop_databases(self.server, _FLEETS)
        drop_databases(self.server, _LARGE)
        for folder in self.home.glob(f"{_RUNS}{self.major}-*"):
            shutil.rmtree(folder)


def fleet_store(tenants: int) -> str:
    """The name of the store for a fleet of that size."""
    return f"fleet-{tenants}"


def back_up(fleet: Fleet, store: LocalStore, tenants: Sequence[Tenant]) -> Sequence[Manifest]:
    """Back up by the engine; every tenant must end with a manifest.

    Raises:
        RuntimeError: one has none.
    """
    manifests: list[Manifest] = []
    for outcome in back_up_tenants(fleet.source, store, tenants):
        if outcome.manifest is None:
            raise RuntimeError(f"tenant {outcome.tenant.slug} has no backup: {outcome.error}")
        manifests.append(outcome.manifest)
    if missing := {t.slug for t in tenants} - {m.tenant.slug for m in manifests if m.tenant}:
        raise RuntimeError(f"{len(missing)} tenants have no outcome: {min(missing)}, …")
    return manifests


def plain_bytes(manifests: Sequence[Manifest]) -> int:
    """Bytes of the archives before compression."""
    return sum(manifest.archive.plain_bytes for manifest in manifests)
