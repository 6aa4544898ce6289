"""Ask for a tenant's erasure, and take that back while it cools off.

A request is in the store before the tenant is disabled, and a cancellation after it is enabled
again. So what is cut short is a request that counts, and asking again, for either, completes it.
"""

from datetime import UTC, datetime

from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.backups.reference import new_id
from agentarmy_ops.backups.verdict import Verdict
from agentarmy_ops.errors import OffboardingRefusedError, TenantBusyError
from agentarmy_ops.offboarding.final import back_up_and_verify
from agentarmy_ops.offboarding.journal import (
    newest_offboarding,
    record_cancellation,
    record_request,
)
from agentarmy_ops.offboarding.offboarder import (
    Offboarder,
    refuse_dependents,
    schemas_of,
    set_active,
)
from agentarmy_ops.offboarding.records import BackupsMode, Cancellation, Request
from agentarmy_ops.offboarding.steps import Step
from agentarmy_ops.tenants.redis_keys import mark_initialized, unmark_initialized
from agentarmy_ops.tenants.registry import Tenant, find_tenant, read_tenant


def request_offboarding(
    offboarder: Offboarder, slug: str, *, backups: BackupsMode = BackupsMode.KEEP
) -> Request:
    """Make a final backup, prove it, record the request and disable the tenant. Where a request
    counts already, see that the tenant is disabled, and return that request.

    Raises:
        OffboardingRefusedError: something depends on the tenant, or its backup is not verified.
        TenantBusyError: another operation holds the tenant's lock.
        TenantNotFoundError: there is no such tenant.
        OpsError: the backup, the database, the store or Redis failed.
    """
    with offboarder.session() as connection:
        tenant = read_tenant(connection, slug)
        request = _open_request(offboarder, tenant)
        if request is None:
            _refuse_all_dependents(connection, tenant)
    # Not under the lock, which each of the two takes for itself. What is written meanwhile, and
    # until the tenant is erased, is backed up once more then.
    verdict = None if request else back_up_and_verify(offboarder, tenant)
    with offboarder.locked(slug) as connection:
        tenant = read_tenant(connection, slug)
        request = _open_request(offboarder, tenant)
        if request is None:
            _refuse_all_dependents(connection, tenant)
            request = _new_request(offboarder, tenant, verdict, backups)
            offboarder.watch(Step.RECORD)
            record_request(offboarder.store, request)
        offboarder.watch(Step.DISABLE)
        with offboarder.transaction(connection, slug):
            set_active(connection, tenant, active=False)
        if offboarder.redis_url is not None:
            offboarder.watch(Step.REDIS)
            unmark_initialized(offboarder.redis_url, tenant.id)
        return request


def cancel_offboarding(offboarder: Offboarder, slug: str) -> Cancellation:
    """Let the tenant be what it was before the request.

    Raises:
        OffboardingRefusedError: there is no request, or the erasure has begun.
        TenantBusyError: another operation holds the tenant's lock.
        OpsError: the database, the store or Redis failed.
    """
    with offboarder.locked(slug) as connection:
        tenant = find_tenant(connection, slug)
        request = _open_request(offboarder, tenant) if tenant else None
        if tenant is None or request is None:
            raise OffboardingRefusedError(_why_not(offboarder, slug, tenant))
        if request.was_active:
            offboarder.watch(Step.ENABLE)
            with offboarder.transaction(connection, slug):
                set_active(connection, tenant, active=True)
            if offboarder.redis_url is not None:
                offboarder.watch(Step.REDIS)
                mark_initialized(offboarder.redis_url, tenant.id)
        cancellation = Cancellation(
            offboarding_id=request.offboarding_id,
            slug=slug,
            tenant_id=tenant.id,
            cancelled_at=datetime.now(UTC),
            is_active=request.was_active,
            run_id=offboarder.run_id,
        )
        offboarder.watch(Step.CANCEL)
        record_cancellation(offboarder.store, cancellation)
        return cancellation


def _open_request(offboarder: Offboarder, tenant: Tenant) -> Request | None:
    found = newest_offboarding(offboarder.store, tenant.slug)
    return found.request if found and found.is_open_for(tenant.id) else None


def _why_not(offboarder: Offboarder, slug: str, tenant: Tenant | None) -> str:
    found = newest_offboarding(offboarder.store, slug)
    if found and not tenant and not found.cancelled:
        return (
            f"tenant {slug} is not in shared.tenants any more: its erasure cannot be cancelled; if "
            f"its backups were kept, 'agentarmy-ops restore {slug}' brings it back"
        )
    return f"the erasure of tenant {slug} is not requested; there is nothing to cancel"


def _refuse_all_dependents(connection: Connection, tenant: Tenant) -> None:
    for schema in schemas_of(connection, tenant):
        refuse_dependents(connection, schema)


def _new_request(
    offboarder: Offboarder, tenant: Tenant, verdict: Verdict | None, backups: BackupsMode
) -> Request:
    if verdict is None:
        raise TenantBusyError(
            f"the request to erase tenant {tenant.slug} was cancelled at this moment; ask again if "
            "it is to be erased"
        )
    now = datetime.now(UTC)
    return Request(
        offboarding_id=new_id(now),
        slug=tenant.slug,
        tenant_id=tenant.id,
        requested_at=now,
        erase_after=now + offboarder.cooling_off,
        backup_id=verdict.backup_id,
        verification_id=verdict.verification_id,
        was_active=tenant.is_active,
        backups_mode=backups,
        run_id=offboarder.run_id,
    )
