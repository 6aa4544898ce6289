"""Erase a tenant whose time has come.

First the database's part, in one transaction, and not before the final backup is just what the
tenant is. Just before it is committed, a record of all that is going to be erased is written. From
the commit on, that record says what is left to do; before, the tenant is whole.
"""

from datetime import UTC, datetime

from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.errors import (
    OffboardingError,
    OffboardingRefusedError,
    TenantNotFoundError,
)
from agentarmy_ops.offboarding.final import Candidate, back_up_and_verify, last_verified
from agentarmy_ops.offboarding.finish import finish
from agentarmy_ops.offboarding.journal import (
    Offboarding,
    certificate_name,
    newest_offboarding,
    record_erasing,
)
from agentarmy_ops.offboarding.live import erase_live
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.plan import plan
from agentarmy_ops.offboarding.records import BackupsMode, Certificate, Erasing, Request
from agentarmy_ops.tenants.redis_keys import count_keys
from agentarmy_ops.tenants.registry import Tenant, find_tenant
from agentarmy_ops.tenants.schema import schema_exists
from agentarmy_ops.tenants.slug import schema_name

# A tenant that is disabled changes once at most: when what was under way ends.
_BACKUPS = 3


def erase_tenant(
    offboarder: Offboarder, slug: str, *, now: bool = False, backups: BackupsMode | None = None
) -> Certificate:
    """Erase the tenant; called again, go on from wherever it was cut short, or return the
    certificate. ``now`` does not wait for the end of the cooling-off period. ``backups`` is what
    becomes of the backups, where it is not what was requested. Backups that were kept, or shredded,
    can be erased later: by asking for more.

    Raises:
        OffboardingRefusedError: it was not requested, was cancelled, is not due, or something
            speaks against it; nothing was erased.
        OffboardingError: it stopped half-way.
        TenantBusyError: another operation holds the tenant's lock.
        OpsError: the database, Redis or one of the stores failed.
    """
    for backups_left in reversed(range(_BACKUPS)):
        with offboarder.locked(slug) as connection:
            found = _requested(offboarder, slug)
            tenant = find_tenant(connection, slug)
            if tenant is None:
                return _go_on(offboarder, connection, found, backups)
            _refuse_unless_due(found, tenant, now=now)
            mode = backups or found.request.backups_mode
            kept = mode is BackupsMode.KEEP
            if (candidate := last_verified(offboarder, tenant, is_kept=kept)) and (
                erasing := _erase_live(
                    offboarder,
                    connection,
                    tenant,
                    found.request,
                    candidate=candidate,
                    mode=mode,
                )
            ):
                return finish(offboarder, erasing)
        if backups_left:
            back_up_and_verify(offboarder, tenant)
    raise OffboardingError(
        f"tenant {slug} is never what its last backup holds: something still writes to it; end "
        "that, and erase it again"
    )


def _requested(offboarder: Offboarder, slug: str) -> Offboarding:
    found = newest_offboarding(offboarder.store, slug)
    if found is None or found.cancelled:
        why = "was cancelled" if found else "was not requested"
        raise OffboardingRefusedError(
            f"the erasure of tenant {slug} {why}; request it with "
            f"'agentarmy-ops tenant offboard {slug}'"
        )
    return found


def _refuse_unless_due(found: Offboarding, tenant: Tenant, *, now: bool) -> None:
    slug, request = tenant.slug, found.request
    again = f"request it with 'agentarmy-ops tenant offboard {slug}'"
    if not found.is_open_for(tenant.id):
        raise OffboardingRefusedError(
            f"the tenant {slug} whose erasure was requested is gone, and the one there is now is "
            f"another, or was brought back; if it is to be erased, too, {again}"
        )
    if tenant.is_active:
        raise OffboardingRefusedError(
            f"tenant {slug} is active, though its erasure was requested; {again} again, or give "
            "--cancel"
        )
    if not now and datetime.now(UTC) < request.erase_after:
        raise OffboardingRefusedError(
            f"tenant {slug} cools off until {request.erase_after:%Y-%m-%dT%H:%M:%SZ}; erase it "
            "then, or give --now"
        )


def _erase_live(
    offboarder: Offboarder,
    connection: Connection,
    tenant: Tenant,
    request: Request,
    *,
    candidate: Candidate,
    mode: BackupsMode,
) -> Erasing | None:
    """Erase the database's part; None: the tenant is not what the backup holds."""
    recorded: list[Erasing] = []
    redis_url = offboarder.redis_url

    def record(schemas: list[str]) -> None:
        erasing = Erasing(
            offboarding_id=request.offboarding_id,
            slug=tenant.slug,
            tenant_id=tenant.id,
            requested_at=request.requested_at,
            erase_after=request.erase_after,
            schemas=tuple(schemas),
            follows=None,
            registry_row="shared.tenants",
            final=candidate.facts,
            redis_keys=None if redis_url is None else count_keys(redis_url, tenant.id),
            **plan(offboarder, connection, tenant.slug, mode),
        )
        record_erasing(offboarder.store, erasing)
        recorded.append(erasing)

    done = erase_live(offboarder, connection, tenant, candidate, record)
    return recorded[0] if done else None


def _go_on(
    offboarder: Offboarder,
    connection: Connection,
    found: Offboarding,
    backups: BackupsMode | None,
) -> Certificate:
    """The database has nothing of the tenant any more: do what is left, and what is asked for
    beyond."""
    erasing, certificate, slug = found.erasing, found.certificate, found.request.slug
    if erasing is None or schema_exists(connection, schema_name(slug)):
        raise TenantNotFoundError(
            f"there is no tenant {slug} in shared.tenants of database {connection.info.dbname}, "
            "and it was not erased by its offboarding; check DATABASE_URL"
        )
    if backups and erasing.backups_mode.goes_beyond(backups):
        raise OffboardingRefusedError(
            f"tenant {slug} is erased with --backups {erasing.backups_mode}, which cannot be taken "
            "back"
        )
    if certificate and certificate.erasing_id != erasing.erasing_id:
        certificate = None
    if certificate is None or not certificate.complete:
        certificate = finish(offboarder, erasing, certificate)
    if backups and backups.goes_beyond(erasing.backups_mode):
        beyond = Erasing.model_validate(
            {
                **dict(erasing),
                "follows": certificate_name(certificate),
                "schemas": (),
                "registry_row": None,
                "redis_keys": None,
                **plan(offboarder, connection, slug, backups),
            }
        )
        record_erasing(offboarder.store, beyond)
        return finish(offboarder, beyond)
    return certificate
