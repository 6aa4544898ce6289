"""Record tenants one by one inside a run over many."""

from collections.abc import Mapping, Sequence
from typing import Any

from dagster import AssetExecutionContext, AssetMaterialization, DagsterEventType, Output
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.storage.tags import PARTITION_NAME_TAG

from agentarmy_ops.errors import TenantNotFoundError
from agentarmy_ops.orchestration.failures import Failures
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import Registry, Tenant, read_registry

DATA_VERSION_TAG = "dagster/data_version"


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


def slugs_of_run(context: AssetExecutionContext) -> list[str]:
    """The tenants a run is about, whether or not there are such partitions or tenants.

    ``context.partition_keys`` refuses a key that is not a partition (yet), which a tag given to
    ``dagster job execute`` may be.
    """
    if key := context.run.tags.get(PARTITION_NAME_TAG):
        return [key]
    return list(context.partition_keys)


def not_recorded_before(context: AssetExecutionContext, slugs: Sequence[str]) -> list[str]:
    """Those tenants of a run that are left of the one it goes on with: a run whose worker died, or
    one that a person re-executes "from failure". Of any other run, all.

    Dagster itself goes on by steps, and all tenants of a run are one.
    """
    run, done = context.run, set[str | None]()
    while run.is_resume_retry and run.parent_run_id:
        events = context.instance.all_logs(
            run.parent_run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION
        )
        done.update(
            event.dagster_event.partition
            for event in events
            if event.dagster_event and event.dagster_event.asset_key == context.asset_key
        )
        parent = context.instance.get_run_by_id(run.parent_run_id)
        if parent is None:
            break
        run = parent
    if done:
        context.log.info(f"{len(done)} tenants were recorded by the run that this one goes on with")
    return [slug for slug in slugs if slug not in done]


def tenants_of_run(runtime: Runtime, slugs: Sequence[str], failures: Failures) -> list[Tenant]:
    """The registry's rows for the tenants of a run; those that have none are failures.

    Raises:
        DatabaseError: the registry cannot be read.
    """
    with runtime.registry() as connection:
        registry: Registry = read_registry(connection)
    known = {tenant.slug: tenant for tenant in registry.tenants}
    failures.know(registry.tenants)
    for slug in slugs:
        if slug not in known:
            failures.add(
                slug,
                TenantNotFoundError(
                    f"there is no tenant {slug} in shared.tenants; see 'agentarmy-ops tenant list'"
                ),
            )
    return [known[slug] for slug in slugs if slug in known]
