"""Back up tenants: in few batches, several at once, and none of them at the expense of others."""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from agentarmy_ops.backups.batch import BatchBackup, Unfinished
from agentarmy_ops.backups.commit import Work
from agentarmy_ops.backups.plan import TenantSize, locks_of, measure, plan_batches
from agentarmy_ops.backups.platform import back_up_platform
from agentarmy_ops.backups.snapshot import no_timeouts, refuse_blind_role
from agentarmy_ops.backups.source import BackupOutcome, BackupSource
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.tools import find_tools
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.registry import Tenant

__all__ = ["BackupOutcome", "BackupSource", "back_up_platform", "back_up_tenants"]

# When so many batches in a row fail with the same words, and nothing has ever succeeded, it is
# not a tenant that is at fault.
_HOPELESS = 5


def back_up_tenants(
    source: BackupSource, store: Store, tenants: Sequence[Tenant], *, run_id: str | None = None
) -> Generator[BackupOutcome, None, None]:
    """Back up tenants; yields each outcome as soon as it is known, in any order.

    They are dumped in batches (:mod:`agentarmy_ops.backups.plan`), each from one snapshot, and
    each tenant under its advisory lock. A tenant that fails does not stop the others: when a whole
    batch fails, it is tried again in halves until the tenant is found that it fails with. Tenants
    that another session works on come last, and are waited for.

    What runs is ended when the generator is closed: dumps are cancelled, and what is not complete
    is no backup.

    Raises:
        OpsError: before the first outcome, when no tenant can be backed up at all: the server
            cannot be reached, the role cannot see all rows, the client tools do not fit.
    """
    tenants = list({tenant.slug: tenant for tenant in tenants}.values())
    if not tenants:
        return
    with source.conninfo.connect(autocommit=True) as connection:
        no_timeouts(connection)
        refuse_blind_role(connection)
        find_tools(connection.info.server_version // 10000, source.bin_dirs)
        sizes, limits = measure(
            connection,
            tenants,
            concurrent=source.concurrent_dumps,
            batch_bytes=source.batch_bytes,
        )
    crew = _Crew(Work(source, store, run_id), source.concurrent_dumps, sizes)
    try:
        for batch in plan_batches(sizes, limits):
            crew.submit(batch.tenants, is_large=batch.is_large)
        yield from crew.outcomes()
        last = set(crew.later)
        crew.patient = True
        for batch in plan_batches([size for size in sizes if size.tenant in last], limits):
            crew.submit(batch.tenants, is_large=batch.is_large)
        yield from crew.outcomes()
    finally:
        crew.close()


@dataclass(frozen=True)
class _Ended:
    """A batch has ended: with what is left of it, or with an error that should not happen."""

    tenants: Sequence[Tenant]
    unfinished: Unfinished
    error: BaseException | None = None


@dataclass
class _Crew:
    """Threads that work on batches."""

    work: Work
    size: int
    sizes: Sequence[TenantSize]
    patient: bool = False
    later: list[Tenant] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = Stop()
        self._size_of = {size.tenant.slug: size for size in self.sizes}
        self._pool = ThreadPoolExecutor(self.size, "dump")
        self._events: SimpleQueue[BackupOutcome | _Ended] = SimpleQueue()
        self._active = 0
        self._succeeded = False
        self._complaints: list[str] = []

    def submit(self, tenants: Sequence[Tenant], *, is_large: bool = False) -> None:
        """Queue a batch."""
        self._active += 1
        batch = BatchBackup(
            self.work,
            tenants,
            emit=self._events.put,
            stop=self._stop,
            locks=locks_of([self._size_of[tenant.slug] for tenant in tenants]),
            patient=self.patient,
            is_large=is_large,
        )
        self._pool.submit(self._run, batch, tenants)

    def outcomes(self) -> Iterator[BackupOutcome]:
        """Outcomes of all batches, until the last has ended."""
        while self._active:
            event = self._events.get()
            if isinstance(event, BackupOutcome):
                self._succeeded = self._succeeded or event.manifest is not None
                yield event
                continue
            self._active -= 1
            if event.error:
                raise event.error
            self.later += event.unfinished.later
            yield from self._try_again(event)

    def close(self) -> None:
        """End whatever still runs."""
        self._stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, batch: BatchBackup, tenants: Sequence[Tenant]) -> None:
        try:
            self._events.put(_Ended(tenants, batch.run()))
        except BaseException as error:  # noqa: BLE001 - raised again where outcomes are read
            self._events.put(_Ended(tenants, Unfinished(), error))

    def _try_again(self, ended: _Ended) -> Iterator[BackupOutcome]:
        """Look for the tenant a batch failed with: by halves of what it left."""
        failed, cause = ended.unfinished.failed, ended.unfinished.cause
        if not failed or cause is None:
            return
        self._complaints.append(str(cause))
        if len(ended.tenants) == 1 or self._is_hopeless(cause):
            for tenant in failed:
                yield BackupOutcome(tenant, None, cause)
        elif len(failed) < len(ended.tenants):
            # Those that are done, or were found to be locked, are out: what is left may be well.
            self.submit(failed)
        else:
            middle = len(failed) // 2
            self.submit(failed[:middle])
            self.submit(failed[middle:])

    def _is_hopeless(self, cause: OpsError) -> bool:
        last = self._complaints[-_HOPELESS:]
        return not self._succeeded and last.count(str(cause)) == _HOPELESS
