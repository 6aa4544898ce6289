"""Offboard a tenant, from the UI or from CI: one tenant a run, and never by accident."""

from enum import Enum

from dagster import (
    AssetKey,
    AssetObservation,
    Config,
    MetadataValue,
    OpExecutionContext,
    job,
    op,
)
from pydantic import Field

from agentarmy_ops.errors import InvalidInputError, OffboardingError, OpsError
from agentarmy_ops.offboarding.erase import erase_tenant
from agentarmy_ops.offboarding.journal import certificate_name
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.records import BackupsMode as Mode
from agentarmy_ops.offboarding.records import Certificate, Fate
from agentarmy_ops.offboarding.request import cancel_offboarding, request_offboarding
from agentarmy_ops.offboarding.steps import Step
from agentarmy_ops.orchestration.failures import fail
from agentarmy_ops.orchestration.policy import FIRST_IN_QUEUE, OWNERS
from agentarmy_ops.orchestration.resources import OpsResource

_TENANT = AssetKey("tenant")


# Members are called what is written in a run's configuration, where Dagster shows their names.
class Action(Enum):
    """What to do."""

    request = "request"
    cancel = "cancel"
    erase = "erase"


class Backups(Enum):
    """What becomes of the backups."""

    keep = "keep"
    shred = "shred"
    delete = "delete"


class OffboardConfig(Config):
    """Which tenant, and what to do."""

    tenant: str = Field(description="The tenant's slug")
    confirm: str = Field(description="The slug once more")
    action: Action = Field(
        default=Action.request,
        description="request: back up, prove and disable the tenant; cancel: take that back; "
        "erase: erase it, when it has cooled off",
    )
    now: bool = Field(default=False, description="With erase: do not wait for that")
    backups: Backups | None = Field(
        default=None,
        description="What becomes of the backups when the tenant is erased: keep unless set; "
        "shred: their key is destroyed, and what is readable without it deleted; delete",
    )


@op(description="Request a tenant's erasure, take that back, or erase it.")
def offboard_one_tenant(
    context: OpExecutionContext, config: OffboardConfig, ops: OpsResource
) -> None:
    """Do it, and record it on the tenant."""

    def watch(step: Step) -> None:
        context.log.info(str(step))

    try:
        if config.confirm != config.tenant:
            raise InvalidInputError(
                f"confirm is {config.confirm!r}, not the tenant's slug {config.tenant!r}; nothing "
                "was touched"
            )
        if config.now and config.action is not Action.erase:
            raise InvalidInputError("now goes with action erase; nothing was touched")
        offboarder = ops.runtime.offboarder(context.run_id, watch=watch)
        mode = Mode(config.backups.value) if config.backups else None
        if config.action is Action.request:
            _request(context, offboarder, config.tenant, mode)
        elif config.action is Action.cancel:
            _cancel(context, offboarder, config.tenant)
        else:
            _erase(context, offboarder, config.tenant, mode, now=config.now)
    except OpsError as error:
        raise fail(context, error, slug=config.tenant) from None


def _request(
    context: OpExecutionContext, offboarder: Offboarder, slug: str, mode: Mode | None
) -> None:
    request = request_offboarding(offboarder, slug, backups=mode or Mode.KEEP)
    _observe(
        context,
        slug,
        "disabled; its erasure is requested",
        {
            "offboarding_id": request.offboarding_id,
            "erase_after": request.erase_after.isoformat(),
            "backup_id": request.backup_id,
            "verification_id": request.verification_id,
            "backups": request.backups_mode.value,
        },
    )


def _cancel(context: OpExecutionContext, offboarder: Offboarder, slug: str) -> None:
    cancellation = cancel_offboarding(offboarder, slug)
    _observe(
        context,
        slug,
        "its erasure was cancelled",
        {
            "offboarding_id": cancellation.offboarding_id,
            "is_active": cancellation.is_active,
        },
    )


def _erase(
    context: OpExecutionContext, offboarder: Offboarder, slug: str, mode: Mode | None, *, now: bool
) -> None:
    certificate = erase_tenant(offboarder, slug, now=now, backups=mode)
    _observe(context, slug, "erased", _facts(certificate))
    if not certificate.complete:
        raise OffboardingError(
            f"the store holds {len(certificate.not_erased)} objects of tenant {slug}, such as "
            f"{certificate.not_erased[0]}; run this again when it lets them go"
        )


def _facts(certificate: Certificate) -> dict[str, str | int | bool]:
    final = certificate.final
    fates = [backup.fate for backup in certificate.backups]
    keys = certificate.redis_keys
    return {
        "certificate": certificate_name(certificate),
        "complete": certificate.complete,
        "schemas": ", ".join(certificate.schemas) or "gone before",
        "rows": sum(table.rows for table in final.tables),
        "tables": len(final.tables),
        "final_backup_id": final.backup_id,
        "manifest_sha256": final.manifest_sha256,
        "redis_keys": "not looked at" if keys is None else keys,
        "secrets": sum(secret.fate is not Fate.KEPT for secret in certificate.secrets),
        **{f"backups_{fate}": fates.count(fate) for fate in dict.fromkeys(fates)},
    }


def _observe(
    context: OpExecutionContext, slug: str, what: str, facts: dict[str, str | int | bool]
) -> None:
    metadata = {
        name: MetadataValue.bool(value) if isinstance(value, bool) else value
        for name, value in facts.items()
    }
    context.log_event(
        AssetObservation(_TENANT, partition=slug, description=what, metadata=metadata)
    )


@job(
    description="Request a tenant's erasure, take that back, or erase it for good.",
    metadata={"owners": ", ".join(OWNERS)},
    run_tags=FIRST_IN_QUEUE,
)
def offboard_tenant() -> None:
    """See :func:`offboard_one_tenant`."""
    offboard_one_tenant()
