"""Give a tenant the rows of a backup."""

from dataclasses import dataclass
from time import monotonic

from agentarmy_ops.backups.restore.aside import BEFORE, Aside, put_aside
from agentarmy_ops.backups.restore.load import load, locked
from agentarmy_ops.backups.restore.plan import RestorePlan, make_plan
from agentarmy_ops.backups.restore.session import Restorer, exchange, open_session
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import Choice, read_stored
from agentarmy_ops.errors import RestoreError
from agentarmy_ops.tenants.register import register_tenant
from agentarmy_ops.tenants.registry import find_tenant


@dataclass(frozen=True)
class RestoreResult:
    """A restore that is committed. ``aside`` is the schema that was there before; ``seconds``
    are those of the transaction."""

    plan: RestorePlan
    aside: Aside | None
    seconds: float


def plan_restore(restorer: Restorer, choice: Choice, *, force: bool = False) -> RestorePlan:
    """What restoring a backup would do; nothing is changed.

    Raises:
        DatabaseError: the database cannot be reached or read.
    """
    with open_session(restorer) as connection:
        return make_plan(connection, choice, force=force)


def restore_tenant(restorer: Restorer, choice: Choice, *, force: bool = False) -> RestoreResult:
    """Give the tenant the objects and rows of a backup, and put aside what it has.

    All in one transaction under the tenant's lock: whoever reads the tenant is never kept waiting,
    and sees what was before until the commit and the backup from then on.

    Raises:
        RestoreRefusedError: something speaks against it; nothing was touched.
        RestoreError: it failed and was rolled back; the tenant is as it was.
        TenantBusyError: another operation holds the tenant's lock.
        OpsError: the backup or the database cannot be read.
    """
    tenant, watch = choice.tenant, restorer.watch
    plan_restore(restorer, choice, force=force).refuse()
    watch(Step.READ, "")
    archive = read_stored(restorer.store, restorer.keys, choice)
    with locked(restorer, archive, tenant.slug) as (connection, script):
        plan = make_plan(connection, choice, force=force)
        plan.refuse()  # what was seen before the lock may be past
        started = monotonic()
        aside = None
        with exchange(restorer, connection, tenant.slug):
            if plan.replaces:
                watch(Step.PUT_ASIDE, "")
                aside = put_aside(connection, tenant.slug, why=BEFORE, replaced_by=plan.backup_id)
            if plan.registers:  # first: the tenant's rows may refer to it
                register_tenant(connection, tenant.id, tenant.slug, tenant.name)
            load(connection, archive, script, watch)
            registered = find_tenant(connection, tenant.slug)
            if registered is None or registered.id != tenant.id:
                raise RestoreError("its row of shared.tenants was removed or changed meanwhile")
        watch(Step.DONE, "")
        return RestoreResult(plan, aside, monotonic() - started)
