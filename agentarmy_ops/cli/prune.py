"""``agentarmy-ops prune``."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from agentarmy_ops.backups.catalog import backed_up_slugs
from agentarmy_ops.backups.prune import Pruner
from agentarmy_ops.backups.pruned import Action, Item, Pruned
from agentarmy_ops.backups.reference import new_id
from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.cli.options import check_selection, tenants_options
from agentarmy_ops.cli.output import (
    PLATFORM,
    json_option,
    note,
    print_error,
    print_json_list,
    print_rows,
)
from agentarmy_ops.cli.selection import select_tenants
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.text import age, size


@click.command(
    short_help="Remove backups that retention does not keep.",
    epilog="""\b
Examples:
  agentarmy-ops prune --all
  agentarmy-ops prune --all --apply
  agentarmy-ops prune --tenant acme --json | jq '.results[].items[] | select(.action == "remove")'

Shows the plan and removes nothing unless --apply is given; asks nothing. Never removes the newest
backup of a tenant, nor its newest verified one, nor any of a tenant that is not registered. What
the store holds is reported as held, which is no failure. docs/retention.md says what is kept.""",
)
@tenants_options
@click.option("--platform", is_flag=True, help="The platform part alone; --all prunes it, too.")
@click.option("--apply", is_flag=True, help="Remove what the plan says.")
@json_option
def prune(slugs: tuple[str, ...], every: bool, platform: bool, apply: bool, as_json: bool) -> None:
    """Remove backups that no rule of retention keeps, and what interrupted ones left behind."""
    check_selection(slugs, every=every, otherwise=platform)
    if platform and (slugs or every):
        raise click.UsageError("--platform is by itself; --all prunes the platform part, too")
    runtime = Runtime()
    pruner = runtime.pruner(apply=apply)
    problems: list[str] = []
    if platform:
        owners: Sequence[str | None] = [None]
        results = iter([pruner.prune_platform()])
    else:
        tenants, problems = select_tenants(runtime, slugs)
        registered = {tenant.slug: tenant.backup_retention for tenant in tenants}
        if every:
            owners = [*backed_up_slugs(pruner.store), None]
            results = pruner.prune_all(registered)
        else:
            owners = list(registered)
            results = pruner.prune_tenants(registered, registered)
    total = _Total(pruner)
    (_print_json if as_json else _print_rows)(pruner, owners, total.counted(results), total)
    if every:
        total.swept = pruner.sweep()
    for line in problems:
        print_error(line)
    if not as_json:
        note(total.line)
    if total.failed or problems:
        raise click.exceptions.Exit(ExitCode.FAILURE)


class _Total:
    """Counts results as they pass by, and says on stderr what failed or is held."""

    def __init__(self, pruner: Pruner) -> None:
        self._pruner = pruner
        self._actions: Counter[Action] = Counter()
        self._freed_bytes = 0
        self.failed = False
        self.swept = 0

    def counted(self, results: Iterator[Pruned]) -> Iterator[Pruned]:
        for pruned in results:
            self._actions.update(item.action for item in pruned.items)
            self._freed_bytes += pruned.freed_bytes
            if pruned.error:
                self.failed = True
                text = str(pruned.error)
                print_error(text if pruned.owner in text else f"{pruned.owner}: {text}")
            yield pruned

    def summary(self) -> dict[str, int]:
        return {
            **{action.value: self._actions[action] for action in Action},
            "freed_bytes": self._freed_bytes,
        }

    @property
    def line(self) -> str:
        """The last line for people."""
        freed, held = size(self._freed_bytes), self._actions[Action.HELD]
        also = f"; {held} held by the store" if held else ""
        if not self._pruner.apply:
            count = self._actions[Action.REMOVE]
            hint = "; --apply removes them" if count else ""
            return f"Would remove {count} backups and free {freed}{also}{hint}."
        partial = f", and {self.swept} half-written files" if self.swept else ""
        return f"Removed {self._actions[Action.REMOVED]} backups{partial}; freed {freed}{also}."


def _print_json(
    pruner: Pruner, owners: Sequence[str | None], results: Iterator[Pruned], total: _Total
) -> None:
    del owners
    print_json_list(
        {"store": pruner.store.url, "policy": str(pruner.policy), "applied": pruner.apply},
        "results",
        (
            {
                "slug": pruned.slug,
                "items": [_item(item) for item in pruned.items],
                "error": str(pruned.error) if pruned.error else None,
            }
            for pruned in results
        ),
        after=lambda: {"total": total.summary()},
    )


def _item(item: Item) -> dict[str, Any]:
    return {
        "backup_id": item.ref.backup_id,
        "begun_at": item.begun_at,
        "stored_bytes": item.stored_bytes,
        "complete": item.complete,
        "action": item.action,
        "why": item.why,
    }


def _print_rows(
    pruner: Pruner, owners: Sequence[str | None], results: Iterator[Pruned], total: _Total
) -> None:
    del pruner, total
    now = datetime.now(UTC)
    print_rows(
        (
            ("tenant", max(len(owner or PLATFORM) for owner in owners)),
            ("backup", len(new_id())),
            ("age#", 6),
            ("stored#", 10),
            ("action", 7),
            ("why", 0),
        ),
        (
            (
                item.ref.slug or PLATFORM,
                item.ref.backup_id,
                age((now - item.begun_at).total_seconds()),
                size(item.stored_bytes),
                item.action,
                item.why,
            )
            for pruned in results
            for item in pruned.items
        ),
    )
