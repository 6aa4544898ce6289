"""One batch: many tenants, each under its lock, from one snapshot of the live database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from agentarmy_ops.backups.commit import View, Work
from agentarmy_ops.backups.inventory import Inventory
from agentarmy_ops.backups.lock_budget import reserve
from agentarmy_ops.backups.manifest import Encryption, Manifest
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.snapshot import no_timeouts, open_snapshot
from agentarmy_ops.backups.source import BackupOutcome
from agentarmy_ops.backups.split_dump import SplitDump
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.errors import BackupError, OpsError, TableLockedError
from agentarmy_ops.tenants.lock import TenantLocks
from agentarmy_ops.tenants.registry import Tenant


@dataclass
class Unfinished:
    """Tenants of a batch that got no outcome.

    ``later`` are those that another session works on, or worked on since the snapshot; ``failed``
    those that were left when the session, pg_dump, or what it wrote, failed with ``cause``.
    """

    later: list[Tenant] = field(default_factory=list)
    failed: list[Tenant] = field(default_factory=list)
    cause: OpsError | None = None


class BatchBackup:
    """Backs up the tenants of one batch; ``emit`` receives each outcome, in any thread.

    ``locks`` is how many entries of the server's lock table it may take.
    A ``patient`` batch waits for tenants that are busy; any other leaves them for later. One that
    ``is_large`` is of one tenant whose compression is worth a thread.
    """

    def __init__(
        self,
        work: Work,
        tenants: Sequence[Tenant],
        *,
        emit: Callable[[BackupOutcome], object],
        stop: Stop,
        locks: int,
        patient: bool,
        is_large: bool,
    ) -> None:
        self._work = work
        self._emit = emit
        self._stop = stop
        self._locks_needed = locks
        self._patient = patient
        self._is_large = is_large
        self._waiting = {tenant.schema_name: tenant for tenant in tenants}
        self._unfinished = Unfinished()
        self._locks: TenantLocks | None = None
        self._encryptions: dict[str, Encryption | None] = {}

    def run(self) -> Unfinished:
        """Back up the batch; returns the tenants that got no outcome."""
        source = self._work.source
        try:
            with (
                source.conninfo.connect(autocommit=True) as session,
                self._stop.ends(session.cancel),
            ):
                no_timeouts(session)
                # Before any tenant's lock, so that nobody waits for us meanwhile.
                reserve(session, self._locks_needed, self._stop)
                self._take_locks(session)
                self._look_up_keys()
                if self._waiting:
                    # The snapshot is newer than the locks: it shows what their holders did.
                    with (
                        open_snapshot(
                            source.conninfo, lock_timeout_seconds=source.lock_timeout_seconds
                        ) as snapshot,
                        self._stop.ends(snapshot.connection.cancel),
                    ):
                        self._back_up(View(self._work, snapshot), session)
        except OpsError as error:
            self._leave(error)
        return self._unfinished

    def done(self, tenant: Tenant, manifest: Manifest) -> None:
        """The tenant has a complete backup."""
        self._let_go(tenant)
        self._emit(BackupOutcome(tenant, manifest))

    def failed(self, tenant: Tenant, error: OpsError) -> None:
        """The tenant has none, for a reason of its own."""
        self._let_go(tenant)
        self._emit(BackupOutcome(tenant, None, error))

    def changed(self, tenant: Tenant, error: OpsError) -> None:
        """Another session works on the tenant: a patient batch is its last chance."""
        if self._patient:
            self.failed(tenant, error)
        else:
            self._let_go(tenant)
            self._unfinished.later.append(tenant)

    def _let_go(self, tenant: Tenant) -> None:
        self._waiting.pop(tenant.schema_name, None)
        if self._locks:
            self._locks.release(tenant.slug)

    def _take_locks(self, session: Connection) -> None:
        locks = self._locks = TenantLocks(session)
        tenants = list(self._waiting.values())
        taken = locks.try_all([tenant.slug for tenant in tenants])
        locked = set() if self._patient else _locked(session, list(self._waiting))
        deadline = monotonic() + self._work.source.lock_timeout_seconds
        for tenant in tenants:
            try:
                if tenant.slug not in taken:
                    if not self._patient:
                        raise BackupError(f"tenant {tenant.slug} is busy")
                    left = max(deadline - monotonic(), 0.1)
                    locks.wait_for(tenant.slug, timeout_seconds=left)
                elif tenant.schema_name in locked:
                    raise BackupError(f"a table of tenant {tenant.slug} is locked")
            except OpsError as error:
                self.changed(tenant, error)

    def _look_up_keys(self) -> None:
        """Before the snapshot is taken: a cloud's secrets store would keep it waiting."""
        slugs = [tenant.slug for tenant in self._waiting.values()]
        found = self._work.source.keys.encryptions(slugs)
        for schema, tenant in list(self._waiting.items()):
            encryption = found[tenant.slug]
            if isinstance(encryption, OpsError):
                self.failed(tenant, encryption)
            else:
                self._encryptions[schema] = encryption

    def _back_up(self, view: View, session: Connection) -> None:
        _ = view.options, view.snapshot.roles  # what fails here fails the batch
        inventories = view.snapshot.inventory(list(self._waiting))
        for schema, tenant in list(self._waiting.items()):
            try:
                _refuse(tenant, inventories.get(schema))
            except OpsError as error:
                self.failed(tenant, error)
        if not self._waiting:
            return
        try:
            SplitDump(
                view,
                self._waiting,
                inventories,
                self,
                self._stop,
                encryptions=self._encryptions,
                is_large=self._is_large,
            ).run()
        except TableLockedError as error:
            # pg_dump locks all tables in one statement and cannot say which it waited for.
            for schema in _locked(session, list(self._waiting)):
                self.failed(self._waiting[schema], error)
            self._leave(error)

    def _leave(self, cause: OpsError) -> None:
        """Put what is left where the caller finds it."""
        self._unfinished.cause = cause
        for tenant in list(self._waiting.values()):
            self._let_go(tenant)
            self._unfinished.failed.append(tenant)


def _locked(session: Connection, schemas: Sequence[str]) -> set[str]:
    return {row["schema"] for row in query(session, "locked_schemas", schemas=list(schemas))}


def _refuse(tenant: Tenant, inventory: Inventory | None) -> None:
    if inventory is None:
        raise BackupError(
            f"tenant {tenant.slug} has no schema {tenant.schema_name}; provision it again, or "
            "remove its row from shared.tenants"
        )
    inventory.refuse_problems(tenant.slug)
