"""The tenant itself: its schema, its tables, their isolation, and its admin user."""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetMaterialization, Config, Output, asset
from pydantic import Field

from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.failures import Failures
from agentarmy_ops.orchestration.outcomes import (
    materialized,
    recorded,
    slugs_of_run,
)
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME, tenant_partitions
from agentarmy_ops.orchestration.policy import BATCHES, GROUP, NOTHING, OWNERS
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.tenants.provision import ProvisionResult


class ProvisionConfig(Config):
    """Needed for a new tenant; for one that exists, its registry row and admin user say it.

    The admin's password is never part of a run's configuration: it is the tenant's secret
    ``{slug}-admin-password``, generated unless it is there already.
    """

    name: str | None = Field(default=None, description="Display name of a new tenant")
    admin_email: str | None = Field(default=None, description="E-mail of a new tenant's admin")


@asset(
    partitions_def=tenant_partitions,
    backfill_policy=BATCHES,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    dagster_type=NOTHING,
    description=(
        "The tenant exists, whole and isolated: registry row, schema, tables of the template, "
        "row-level security enabled and forced with policy `tenant_isolation` on every table, and "
        "an admin user. Materializing it again repairs what is missing and changes nothing else."
    ),
)
def tenant(
    context: AssetExecutionContext, config: ProvisionConfig, ops: OpsResource
) -> Iterator[AssetMaterialization | Output[None]]:
    """Provision the run's tenants, or repair what is missing of them."""
    runtime, slugs = ops.runtime, slugs_of_run(context)
    failures = Failures(context, "provisioning")
    for slug in slugs:
        try:
            result = runtime.provision(slug, name=config.name, admin_email=config.admin_email)
        except OpsError as error:
            failures.add(slug, error)
            continue
        # The run may be the first that knows this tenant.
        context.instance.add_dynamic_partitions(PARTITIONS_NAME, [slug])
        yield materialized(context, slug, str(result.tenant.id), _metadata(result))
    failures.fail_if_any(len(slugs))
    yield recorded()


def _metadata(result: ProvisionResult) -> dict[str, str | bool]:
    return {
        "tenant_id": str(result.tenant.id),
        "schema": result.tenant.schema_name,
        "created": result.created,
        "repaired": ", ".join(result.repaired) or "nothing",
        "is_active": result.tenant.is_active,
    }
