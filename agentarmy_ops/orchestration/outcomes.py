"""Record tenants one by one inside a run over many, and fail the run for those that failed."""

from collections.abc import Mapping, Sequence
from typing import Any

from dagster import AssetExecutionContext, AssetMaterialization, Failure, MetadataValue, Output
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.storage.tags import PARTITION_NAME_TAG

from agentarmy_ops.errors import OpsError
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import Registry, Tenant, read_registry

DATA_VERSION_TAG = "dagster/data_version"
_SHOWN = 20


def materialized(
    context: AssetExecutionContext, slug: str | None, version: str, metadata: Mapping[str, Any]
) -> AssetMaterialization:
    """The event that records one tenant's asset (None: the platform's), to be yielded as soon as
    it is there. ``version`` tells Dagster which data this is. Logs one line about it."""
    shown = ", ".join(f"{name} {value}" for name, value in metadata.items() if _is_short(value))
    context.log.info("%s: %s", slug or "platform", shown)
    return AssetMaterialization(
        asset_key=context.asset_key,
        partition=slug,
        metadata=metadata,
        tags={DATA_VERSION_TAG: version},
    )


def _is_short(value: object) -> bool:
    return isinstance(value, bool | int | float | str)


def recorded() -> Output[None]:
    """The asset's output, for what depends on it in the same run.

    Dagster would record every partition of the run again when it sees an output, also those that
    were recorded already, and without their metadata. The key in the metadata is what its own
    source assets, which record themselves too, tell it with (``execute_step.py``).
    """
    return Output(None, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})


def fail_if_any(what: str, failures: Mapping[str, str], total: int) -> None:
    """Fail the run, naming the tenants that failed and why; the others are recorded.

    Raises:
        dagster.Failure: there are failures.
    """
    if not failures:
        return
    shown = [f"{slug}: {cause}" for slug, cause in list(failures.items())[:_SHOWN]]
    if len(failures) > _SHOWN:
        shown.append(f"and {len(failures) - _SHOWN} more")
    raise Failure(
        description=f"{what} failed for {len(failures)} of {total} tenants: {'; '.join(shown)}"
        if total > 1
        else f"{what} failed: {shown[0]}",
        metadata={
            "failed_tenants": len(failures),
            "failures": MetadataValue.json(dict(failures)),
        },
        allow_retries=False,
    )


def fail(error: OpsError) -> Failure:
    """What a run fails with when an error concerns all of it: one line, the error's own."""
    return Failure(description=str(error), allow_retries=False)


def slugs_of_run(context: AssetExecutionContext) -> list[str]:
    """The tenants a run is about, whether or not there are such partitions or tenants.

    ``context.partition_keys`` refuses a key that is not a partition (yet), which a tag given to
    ``dagster job execute`` may be.
    """
    if key := context.run.tags.get(PARTITION_NAME_TAG):
        return [key]
    return list(context.partition_keys)


def tenants_of_run(
    context: AssetExecutionContext, runtime: Runtime, slugs: Sequence[str]
) -> tuple[list[Tenant], dict[str, str]]:
    """The registry's rows for the tenants of a run, and why there is none for some.

    Raises:
        DatabaseError: the registry cannot be read.
    """
    with runtime.registry() as connection:
        registry: Registry = read_registry(connection)
    known = {tenant.slug: tenant for tenant in registry.tenants}
    missing = {
        slug: f"there is no tenant {slug} in shared.tenants; see 'agentarmy-ops tenant list'"
        for slug in slugs
        if slug not in known
    }
    for cause in missing.values():
        context.log.error(cause)
    return [known[slug] for slug in slugs if slug in known], missing
