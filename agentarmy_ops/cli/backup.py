"""``agentarmy-ops backup``."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import click

from agentarmy_ops.backups.create import BackupSource, back_up_platform, back_up_tenants
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.cli.options import check_selection, tenants_options
from agentarmy_ops.cli.output import json_option, print_error, print_json, print_table
from agentarmy_ops.cli.progress import progress
from agentarmy_ops.cli.selection import select_tenants
from agentarmy_ops.cli.summaries import backup_summary
from agentarmy_ops.errors import OpsError
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops.text import seconds, size


@dataclass(frozen=True)
class _Result:
    """What became of a tenant's backup (slug None: the platform's)."""

    slug: str | None
    manifest: Manifest | None
    error: OpsError | None = None

    @property
    def owner(self) -> str:
        return self.slug or "platform"

    @property
    def line(self) -> str:
        if self.manifest is None:
            return f"{self.owner}: failed"
        stored = size(self.manifest.archive.stored_bytes)
        return f"{self.owner}: {self.manifest.backup_id}, {stored}"

    @property
    def reason(self) -> str:
        """Why there is no backup; names the tenant."""
        text = str(self.error)
        return text if self.owner in text else f"{self.owner}: {text}"

    def summary(self) -> dict[str, Any]:
        return {
            "slug": self.slug,
            "status": "complete" if self.manifest else "failed",
            "backup": backup_summary(self.manifest) if self.manifest else None,
            "error": str(self.error) if self.error else None,
        }


@click.command(
    short_help="Back up tenants.",
    epilog="""\b
Examples:
  agentarmy-ops backup --all
  agentarmy-ops backup --tenant acme --tenant globex --no-platform
  agentarmy-ops backup --platform
  agentarmy-ops backup --all --json | jq -r '.results[] | select(.error) | .slug'

Reads the live database in one read-only snapshot and never writes to it; never replaces or removes
a backup. A tenant that fails does not stop the others; then the exit code is 1. What fails leaves
no backup: one is complete when its manifest is there.""",
)
@tenants_options
@click.option(
    "--platform/--no-platform",
    default=None,
    help="Also back up what belongs to no tenant (schema shared, ...), on which verification "
    "restores. Default: yes, after the tenants.",
)
@json_option
def backup(slugs: tuple[str, ...], every: bool, platform: bool | None, as_json: bool) -> None:
    """Back up tenants, each into an archive of its own that pg_restore reads."""
    check_selection(slugs, every=every, otherwise=bool(platform))
    runtime = Runtime()
    tenants, problems = select_tenants(runtime, slugs) if slugs or every else ([], [])
    source, store = runtime.source(), runtime.store
    results: list[_Result] = []
    with progress("Backing up", len(tenants) + (platform is not False)) as report:
        # Closed at once when the command is told to end, wherever that meets it.
        with closing(_back_up(source, store, tenants)) as backed_up:
            for result in backed_up:
                results.append(result)
                report(result.line)
        if platform is not False:
            try:
                results.append(_Result(None, back_up_platform(source, store)))
            except OpsError as error:
                results.append(_Result(None, None, error))
            report(results[-1].line)
    # They come as they are complete; the platform part is last.
    results.sort(key=lambda result: (result.slug is None, result.slug))
    _print(results, problems, as_json=as_json)
    failed = [result for result in results if result.error]
    for message in [*problems, *(result.reason for result in failed)]:
        print_error(message)
    if len(failed) == 1 and failed[0].error and len(tenants) <= 1 and not problems:
        raise click.exceptions.Exit(failed[0].error.exit_code)
    if failed or problems:
        raise click.exceptions.Exit(ExitCode.FAILURE)


def _back_up(
    source: BackupSource, store: Store, tenants: Sequence[Tenant]
) -> Generator[_Result, None, None]:
    """One result for each tenant.

    Raises:
        OpsError: no tenant can be backed up at all.
    """
    waiting = {tenant.slug for tenant in tenants}
    try:
        with closing(back_up_tenants(source, store, tenants)) as outcomes:
            for outcome in outcomes:
                waiting.remove(outcome.tenant.slug)
                yield _Result(outcome.tenant.slug, outcome.manifest, outcome.error)
    except OpsError as error:
        if len(waiting) == len(tenants):
            raise
        for slug in sorted(waiting):  # the batch was cut short, what is complete stays so
            yield _Result(slug, None, error)


def _print(results: list[_Result], problems: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"results": [result.summary() for result in results], "problems": problems})
        return
    print_table(
        ("tenant", "status", "backup", "rows#", "size#", "stored#", "time#"),
        (_row(result) for result in results),
    )


def _row(result: _Result) -> tuple[object, ...]:
    owner = result.slug or "(platform)"
    if (manifest := result.manifest) is None:
        return (owner, "failed", "", "", "", "", "")
    return (
        owner,
        "complete",
        manifest.backup_id,
        manifest.fingerprint.rows,
        size(manifest.archive.plain_bytes),
        size(manifest.archive.stored_bytes),
        seconds(manifest.backup_seconds),
    )
