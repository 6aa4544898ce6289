"""Plans of restores, and what is kept aside, for people and as JSON."""

from dataclasses import dataclass, replace
from typing import Any

from agentarmy_ops.backups.restore.aside import Aside
from agentarmy_ops.backups.restore.plan import RestorePlan
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.cli.output import note, print_facts, print_json
from agentarmy_ops.cli.progress import Report
from agentarmy_ops.text import seconds, size


@dataclass(frozen=True)
class Asked:
    """How a restore was asked for."""

    dry_run: bool
    yes: bool
    as_json: bool

    def goes_on(self, plan: RestorePlan) -> bool:
        """Show the plan, and whether it is to be carried out.

        Raises:
            RestoreRefusedError: something speaks against it.
        """
        if not self.as_json:
            print_plan(plan)
        elif self.dry_run:
            print_json({"plan": plan_summary(plan), "restored": None})
        plan.refuse()
        return not self.dry_run


def watched(restorer: Restorer, report: Report) -> Restorer:
    """The restorer, whose steps are reported, a line each."""
    return replace(restorer, watch=lambda step, table: report(f"{step} {table}".strip()))


def print_plan(plan: RestorePlan) -> None:
    """The plan, for people."""
    print_facts(
        (
            ("tenant", plan.slug),
            ("backup", f"{plan.backup_id} ({plan.verdict})"),
            ("as it was at", plan.taken_at),
            ("rows, tables", f"{plan.rows}, {plan.tables} ({size(plan.plain_bytes)})"),
            ("into", plan.database),
            (
                "schema",
                f"{plan.schema}, {'put aside first' if plan.replaces else 'not there now'}",
            ),
            ("shared.tenants", "gets its row" if plan.registers else "has its row"),
            ("proven restore time", seconds(plan.proven_seconds) or "unknown"),
        )
    )
    for warning in plan.warnings:
        note(f"Warning: {warning}")


def plan_summary(plan: RestorePlan) -> dict[str, Any]:
    """The plan, as JSON."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(plan).items()
    }


def aside_summary(aside: Aside | None) -> dict[str, Any] | None:
    """A schema that is kept aside, as JSON."""
    return vars(aside) if aside else None
