"""Remove the backups that retention does not keep: the same as the command ``prune``."""

from collections import Counter
from collections.abc import Iterator

from dagster import Config, MetadataValue, OpExecutionContext, job, op
from pydantic import Field

from agentarmy_ops.backups.prune import Pruner
from agentarmy_ops.backups.pruned import Action, Pruned
from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.failures import Failures, fail
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.tenants.registry import Registry, read_registry


class PruneConfig(Config):
    """Whose backups to prune, and whether to do it."""

    tenants: list[str] | None = Field(
        default=None,
        description="These tenants, by slug; all and the platform part where not set",
    )
    apply: bool = Field(
        default=False, description="Remove what the plan says; otherwise it is only shown"
    )


@op(description="Plan what retention keeps of each tenant's backups, and remove the rest.")
def prune(context: OpExecutionContext, config: PruneConfig, ops: OpsResource) -> None:
    """Prune; each tenant is a line of the log, and the totals are metadata of the run.

    What the store holds is reported and is no failure.
    """
    runtime = ops.runtime
    pruner = runtime.pruner(apply=config.apply)
    actions: Counter[Action] = Counter()
    freed_bytes = owners = 0
    failures = Failures(context, "prune")
    try:
        with runtime.registry() as connection:
            registry = read_registry(connection)
        if not registry.tenants:
            # What a wrong DATABASE_URL looks like, too.
            error = OpsError("there are no tenants in shared.tenants: nothing is pruned")
            raise fail(context, error)
        failures.know(registry.tenants)
        if registry.problems:
            failures.add("registry", "; ".join(registry.problems), is_tenant=False)
        for pruned in _results(pruner, config.tenants, registry):
            owners += 1
            actions.update(item.action for item in pruned.items)
            freed_bytes += pruned.freed_bytes
            _log(context, pruned)
            if pruned.error:
                failures.add(pruned.owner, pruned.error, is_tenant=pruned.slug is not None)
        swept = pruner.sweep() if config.tenants is None else 0
    except OpsError as error:
        raise fail(context, error) from None
    context.add_output_metadata(
        {
            **{action.value: actions[action] for action in Action},
            "freed_bytes": freed_bytes,
            "swept": swept,
            "applied": MetadataValue.bool(config.apply),
            "policy": str(pruner.policy),
        }
    )
    failures.fail_if_any(owners)


def _results(pruner: Pruner, slugs: list[str] | None, registry: Registry) -> Iterator[Pruned]:
    registered = {tenant.slug: tenant.backup_retention for tenant in registry.tenants}
    if slugs is None:
        yield from pruner.prune_all(registered)
        return
    slugs = list(dict.fromkeys(slugs))
    for slug in slugs:
        if slug not in registered:
            error = OpsError(
                f"there is no tenant {slug} in shared.tenants; see 'agentarmy-ops tenant list'"
            )
            yield Pruned(slug, error=error)
    yield from pruner.prune_tenants([slug for slug in slugs if slug in registered], registered)


def _log(context: OpExecutionContext, pruned: Pruned) -> None:
    """One line for a tenant, and one for each backup that does not simply stay."""
    for item in pruned.items:
        if item.action is not Action.KEEP:
            context.log.info(f"{item.ref}: {item.action}: {item.why}")
    kept, freed = pruned.count(Action.KEEP), pruned.freed_bytes
    context.log.info(f"{pruned.owner}: {kept} of {len(pruned.items)} kept, {freed} bytes freed")


@job(
    description="Remove the backups that retention does not keep. Shows the plan unless `apply`.",
)
def prune_backups() -> None:
    """Prune tenants and the platform part."""
    prune()
