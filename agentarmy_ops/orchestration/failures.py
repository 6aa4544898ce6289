"""Tenants that fail in a run: a line in its log, an event for Sentry, and the run's own failure.

What fails with :class:`dagster.Failure` has been reported here. Whatever else ends a run is
reported by :mod:`.run_failures`, which knows it by that.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dagster import AssetExecutionContext, Failure, MetadataValue, OpExecutionContext
from dagster._core.storage.tags import PARTITION_NAME_TAG

from agentarmy_ops.errors import OpsError
from agentarmy_ops.observability.failures import capture, flush
from agentarmy_ops.tenants.registry import Tenant

Context = AssetExecutionContext | OpExecutionContext
_SHOWN = 20


class Failures:
    """The tenants of a run that failed, and why. Nobody is told twice."""

    def __init__(self, context: Context, what: str) -> None:
        """``what`` names the work for people: backup, verification, ..."""
        self._context = context
        self._what = what
        self._tenants: dict[str, Tenant] = {}
        self._causes: dict[str, str] = {}

    def know(self, tenants: Iterable[Tenant]) -> None:
        """These tenants' ids are told with their failures."""
        self._tenants.update((tenant.slug, tenant) for tenant in tenants)

    def add(
        self,
        owner: str,
        cause: OpsError | str,
        *,
        kind: str | None = None,
        is_tenant: bool = True,
    ) -> None:
        """A tenant failed, by slug, or something else of the run. Of a ``cause`` that is no
        exception ``kind`` says what it is."""
        self._context.log.error(f"{owner}: {cause}")
        report(
            self._context,
            cause,
            slug=owner if is_tenant else None,
            tenant=self._tenants.get(owner),
            kind=kind or f"{self._what} failed",
        )
        self._causes[owner] = str(cause)

    def fail_if_any(self, total: int) -> None:
        """Fail the run, naming the tenants that failed and why; the others are recorded.

        Raises:
            dagster.Failure: there are failures.
        """
        if not self._causes:
            return
        flush()
        raise _failure(self._what, self._causes, total)


def fail(context: Context, error: OpsError, *, slug: str | None = None) -> Failure:
    """What a run fails with when an error concerns all of it (``slug``: of its one tenant): one
    line, the error's own."""
    report(context, error, slug=slug)
    flush()
    return Failure(description=str(error), allow_retries=False)


def report(
    context: Context,
    cause: OpsError | str,
    *,
    slug: str | None = None,
    tenant: Tenant | None = None,
    kind: str | None = None,
) -> None:
    """Send Sentry one event about the run, or about one tenant of it."""
    run = context.run
    is_asset = isinstance(context, AssetExecutionContext)
    capture(
        cause,
        kind=kind or run.job_name,
        slug=slug,
        tags={
            "job": run.job_name,
            "run_id": run.run_id,
            "partition": slug or run.tags.get(PARTITION_NAME_TAG),
            "asset": context.asset_key.to_user_string() if is_asset else None,
            "tenant_id": str(tenant.id) if tenant else None,
        },
    )


def _failure(what: str, causes: Mapping[str, str], total: int) -> Failure:
    shown = [f"{slug}: {cause}" for slug, cause in list(causes.items())[:_SHOWN]]
    if len(causes) > _SHOWN:
        shown.append(f"and {len(causes) - _SHOWN} more")
    metadata: dict[str, Any] = {
        "failed_tenants": len(causes),
        "failures": MetadataValue.json(dict(causes)),
    }
    return Failure(
        description=f"{what} failed for {len(causes)} of {total} tenants: {'; '.join(shown)}"
        if total > 1
        else f"{what} failed: {shown[0]}",
        metadata=metadata,
        allow_retries=False,
    )
