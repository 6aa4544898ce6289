"""Restore a tenant's backup as another tenant."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from uuid import UUID, uuid4

from agentarmy_ops.backups.manifest import TenantFacts
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.restore.aside import rename_schema
from agentarmy_ops.backups.restore.copy_mend import change_tenant_id, mend, register_copy
from agentarmy_ops.backups.restore.copy_names import COMMENT, MENDED, Renaming
from agentarmy_ops.backups.restore.copy_scratch import (
    DATA,
    PRE_DATA,
    ScratchFor,
    inside_sections,
    outside_sections,
    scratch_bench,
)
from agentarmy_ops.backups.restore.load import Loadable, load, locked
from agentarmy_ops.backups.restore.plan import RestorePlan, make_plan
from agentarmy_ops.backups.restore.session import Restorer, exchange, open_session
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import Choice, read_stored
from agentarmy_ops.backups.restore.swap import RestoreResult
from agentarmy_ops.errors import RestoreError, RestoreRefusedError
from agentarmy_ops.tenants.register import register_tenant
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX, schema_name

_SHOWN = 5


def another_tenant(
    choice: Choice, slug: str, *, name: str | None = None, keep_tenant_id: bool = False
) -> Choice:
    """The backup as if it were of a tenant of that slug, which gets an id of its own; kept, it
    fits another database only.

    Raises:
        InvalidInputError: ``slug`` is not one.
    """
    facts = TenantFacts(
        id=choice.tenant.id if keep_tenant_id else uuid4(),
        slug=slug,
        name=name or choice.tenant.name,
        schema_name=schema_name(slug),
    )
    return replace(choice, tenant=facts)


def plan_copy(restorer: Restorer, copy: Choice) -> RestorePlan:
    """What restoring the backup as :func:`another_tenant` would do; nothing is changed.

    Raises:
        DatabaseError: the database cannot be reached or read.
    """
    with open_session(restorer) as connection:
        return _plan(connection, copy)


def restore_as(
    restorer: Restorer,
    scratch_for: ScratchFor,
    choice: Choice,
    copy: Choice,
    *,
    mend_comments: bool = False,
) -> RestoreResult:
    """Give the objects and rows of a backup to a new tenant, ``copy``, made of ``choice`` by
    :func:`another_tenant`: its ``tenant_id`` in every row, its schema's name in every function,
    procedure and policy, and in comments if asked.

    The backup is changed in a scratch database, and restored from there, in one transaction under
    the new tenant's lock. The tenant it is of is neither read nor locked.

    Raises:
        RestoreRefusedError: something speaks against it, such as a definition that names the old
            schema in a way that cannot be changed; nothing was touched.
        RestoreError: it failed and was rolled back; there is no new tenant.
        TenantBusyError: another operation holds the new tenant's lock.
        OpsError: the backup or the database cannot be read.
    """
    new, watch = copy.tenant, restorer.watch
    plan_copy(restorer, copy).refuse()
    watch(Step.READ, "")
    archive = read_stored(restorer.store, restorer.keys, choice)
    _refuse_old_id(archive, choice.tenant, new)
    watch(Step.SCRATCH, "")
    with _changed(
        restorer, scratch_for, choice, archive, new, mend_comments=mend_comments
    ) as changed:
        warnings = _refuse_old_names(changed, Renaming.of(choice.tenant, new), new)
        with locked(restorer, changed, new.slug) as (connection, script):
            plan = _plan(connection, copy)
            plan.refuse()  # what was seen before the lock may be past
            started = monotonic()
            with exchange(restorer, connection, new.slug):
                register_tenant(connection, new.id, new.slug, new.name)
                load(connection, changed, script, watch)
                _refuse_references(connection, new.schema_name)
            watch(Step.DONE, "")
            plan = replace(plan, warnings=(*plan.warnings, *warnings))
            return RestoreResult(plan, None, monotonic() - started)


def _plan(connection: Connection, copy: Choice) -> RestorePlan:
    plan = make_plan(connection, copy)
    if plan.replaces or not plan.registers:
        there = "a row in shared.tenants" if not plan.registers else f"a schema {plan.schema}"
        taken = f"there is {there} already; restore the backup as a slug that is free"
        return replace(plan, refusals=(taken,))
    rows = _registered_as(connection, copy.tenant.id)
    if rows:
        kept = (
            f"its id {copy.tenant.id} is that of tenant {rows[0]} in this database; "
            "only in another database can it be kept"
        )
        return replace(plan, refusals=(*plan.refusals, kept))
    return plan


def _registered_as(connection: Connection, tenant_id: UUID) -> list[str]:
    (session,) = query(connection, "restore_session", beside=__file__)
    if not session["has_registry"]:
        return []
    found = connection.execute("SELECT slug FROM shared.tenants WHERE id = %s", [tenant_id])
    return [row[0] for row in found]


def _refuse_old_id(archive: Loadable, old: TenantFacts, new: TenantFacts) -> None:
    """Before anything is restored: a check on the id would refuse the new one in other words."""
    renaming = Renaming.of_id(old, new)
    named = list(
        renaming.named_in(
            archive.description.toc, lambda entry: entry.desc not in {COMMENT, *MENDED}
        )
    )
    if named:
        raise _refused(new, f"the id {old.id} of tenant {old.slug}", named)


def _refuse_old_names(changed: Loadable, renaming: Renaming, new: TenantFacts) -> list[str]:
    """Refuse what is left of the old names; returns a warning where it is only in comments."""
    toc = changed.description.toc
    named = list(renaming.named_in(toc, lambda entry: entry.desc != COMMENT))
    if named:
        raise _refused(new, " or ".join(list(renaming.names)[:2]), named)
    comments = list(renaming.named_in(toc, lambda entry: entry.desc == COMMENT))
    if not comments:
        return []
    return [f"the comment on {_some(comments, 'COMMENT ')} still has the old name"]


def _refused(new: TenantFacts, what: str, named: list[str]) -> RestoreRefusedError:
    return RestoreRefusedError(
        f"tenant {new.slug} is not restored (nothing was touched): {what} is in the text of "
        f"{_some(named)}, where it cannot be replaced safely; change that in the tenant, back it "
        "up, and restore that backup"
    )


def _some(named: list[str], prefix: str = "") -> str:
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return ", ".join(name.removeprefix(prefix) for name in named[:_SHOWN]) + more


@contextmanager
def _changed(
    restorer: Restorer,
    scratch_for: ScratchFor,
    choice: Choice,
    archive: Loadable,
    new: TenantFacts,
    *,
    mend_comments: bool,
) -> Iterator[Loadable]:
    """The backup, restored into a scratch database and changed there."""
    old = choice.tenant
    with scratch_bench(restorer, scratch_for, choice) as scratch:
        scratch.restore(archive, outside_sections(archive, PRE_DATA, DATA))
        if new.id != old.id:
            with scratch.session() as connection:
                change_tenant_id(connection, old.schema_name, old.id, new.id)
                register_copy(connection, new.id)
        scratch.restore(archive, inside_sections(archive, PRE_DATA, DATA))
        with scratch.session() as connection:
            rename_schema(connection, old.schema_name, new.schema_name)
            mend(
                connection,
                new.schema_name,
                Renaming.of(old, new),
                comments=mend_comments,
            )
        yield scratch.dump(new.schema_name, new.id)


def _refuse_references(connection: Connection, schema: str) -> None:
    """Raise if what was loaded, in the current transaction, refers to another tenant's schema.

    Raises:
        RestoreError: it does; the reference is named.
    """
    for row in query(connection, "references", schemas=[schema]):
        if (row["outside_schema"] or "").startswith(SCHEMA_PREFIX):
            raise RestoreError(
                f"schema {schema} would refer to {row['type']} {row['identity']} of another "
                "tenant's schema"
            )
