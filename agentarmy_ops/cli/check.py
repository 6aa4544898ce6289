"""``agentarmy-ops backups check``."""

from collections.abc import Iterator

import click

from agentarmy_ops.backups.catalog import backed_up_slugs
from agentarmy_ops.backups.check import Checker, Kind, Problem
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
from agentarmy_ops.errors import OpsError, TenantNotFoundError
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import read_registry

_NOBODY = "(nobody)"


@click.command(
    epilog="""\b
Examples:
  agentarmy-ops backups check --all
  agentarmy-ops backups check --tenant acme --deep

Reads manifests and verdicts; with --deep also every archive, which takes as long as reading the
whole store. Does not restore: that is `verify`. Never removes or changes anything. Exit code 5 when
a backup is bad, 1 when only something else is wrong."""
)
@tenants_options
@click.option("--deep", is_flag=True, help="Read every archive and compare its sha256.")
@json_option
def check(slugs: tuple[str, ...], every: bool, deep: bool, as_json: bool) -> None:
    """Find what is wrong in the store: bad or orphaned backups, and what is nobody's."""
    check_selection(slugs, every=every, otherwise=False)
    runtime = Runtime()
    registered, unread = _registered(runtime)
    unknown = set(slugs) - (registered or set())
    if registered is not None and (nobody := unknown - set(backed_up_slugs(runtime.store))):
        raise TenantNotFoundError(
            f"there is no tenant {', '.join(sorted(nobody))} in shared.tenants, and nothing of it "
            f"in {runtime.store.url}; see 'agentarmy-ops tenant list'"
        )
    checker = Checker(runtime.store, deep, registered)
    reports = checker.check_all() if every else checker.check_owners(dict.fromkeys(slugs))
    seen: set[Kind] = set()
    backups = [0]

    def problems() -> Iterator[Problem]:
        for report in reports:
            backups[0] += report.backups
            for problem in report.problems:
                seen.add(problem.kind)
                yield problem

    if as_json:
        print_json_list(
            {"store": runtime.store.url, "deep": deep, "registry": registered is not None},
            "problems",
            map(_summary, problems()),
            after=lambda: {"backups": backups[0]},
        )
    else:
        print_rows(
            (("tenant", 12), ("kind", max(map(len, Kind))), ("what", 0)),
            ((_owner(each), each.kind, each.message) for each in problems()),
        )
        note(f"Checked {backups[0]} backups.")
    if unread:
        print_error(f"backups of tenants that are not registered were not looked for: {unread}")
    if any(kind.means_bad_backup for kind in seen):
        raise click.exceptions.Exit(ExitCode.BACKUP_FAILED)
    if unread or any(kind.is_fault for kind in seen):
        raise click.exceptions.Exit(ExitCode.FAILURE)


def _registered(runtime: Runtime) -> tuple[set[str] | None, str]:
    """The slugs of the registry; or None, and why not: the store can be checked without."""
    try:
        with runtime.registry() as connection:
            registry = read_registry(connection)
    except OpsError as error:
        return None, str(error)
    return {tenant.slug for tenant in registry.tenants}, ""


def _owner(problem: Problem) -> str:
    return problem.slug or (PLATFORM if problem.backup_id else _NOBODY)


def _summary(problem: Problem) -> dict[str, object]:
    return {
        "kind": problem.kind,
        "slug": problem.slug,
        "backup_id": problem.backup_id,
        "object": problem.what,
        "message": problem.message,
    }
