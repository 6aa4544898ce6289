"""``agentarmy-ops verify``."""

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from agentarmy_ops.backups.catalog import find_backup, latest_backup
from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify import verify_backups, verify_platform
from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.cli.options import (
    LATEST,
    backup_option,
    check_selection,
    identity_file_option,
    tenants_options,
)
from agentarmy_ops.cli.output import json_option, note, print_error, print_json, print_table
from agentarmy_ops.cli.progress import progress
from agentarmy_ops.cli.selection import select_tenants
from agentarmy_ops.cli.summaries import verdict_summary
from agentarmy_ops.errors import BackupNotFoundError
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import read_tenant
from agentarmy_ops.text import seconds

# Differences shown of one backup; --json has them all.
_SHOWN_DIFFERENCES = 10


@click.command(
    short_help="Prove backups by restoring them.",
    epilog="""\b
Examples:
  agentarmy-ops verify --all
  agentarmy-ops verify --tenant acme --backup 20261123T021503Z-7f3a9c
  agentarmy-ops verify --all --json | jq '.verdicts[] | select(.status != "verified")'

Verdicts: verified (exit 0); failed: the backup is bad, make another (exit 5); error: nothing was
found out, the backup may be good, try again (exit 6). Verified and failed are kept beside the
backup. Never touches the live database or the archive; the scratch databases are dropped.""",
)
@tenants_options
@click.option("--platform", is_flag=True, help="The platform part, by itself.")
@backup_option("This backup of the one --tenant, instead of the latest.")
@identity_file_option
@json_option
def verify(
    slugs: tuple[str, ...],
    *,
    every: bool,
    platform: bool,
    backup_id: str,
    identity_file: Path | None,
    as_json: bool,
) -> None:
    """Prove backups: restore each into a scratch database, dump that, and compare.

    The newest complete backup of each tenant, unless --backup says another.
    """
    check_selection(slugs, every=every, otherwise=platform)
    if platform and (slugs or every):
        raise click.UsageError("--platform is by itself; it is verified with any tenant anyway")
    slugs = tuple(dict.fromkeys(slugs))
    if backup_id != LATEST and (every or len(slugs) + platform != 1):
        raise click.UsageError("--backup needs exactly one --tenant")
    runtime = Runtime()
    problems: list[str] = []
    if every:
        tenants, problems = select_tenants(runtime, ())
        slugs = tuple(tenant.slug for tenant in tenants)
    owners = [None] if platform else [*slugs]
    refs, missing = _find(runtime, owners, backup_id)
    if missing and len(owners) == 1:
        raise missing[0][1]
    verdicts: list[Verdict] = []
    with (
        progress("Verifying", len(refs)) as report,
        # Closed at once when the command is told to end, wherever that meets it.
        closing(_verdicts(runtime.verifier(identity_file=identity_file), refs)) as found,
    ):
        for verdict in found:
            verdicts.append(verdict)
            report(f"{verdict.ref.owner}: {verdict.status}")
    verdicts.sort(key=lambda verdict: verdict.ref.owner)  # they come as they are reached
    _print(verdicts, missing, problems, as_json=as_json)
    _exit(verdicts, missing, problems)


_Missing = Sequence[tuple[str | None, BackupNotFoundError]]


def _find(
    runtime: Runtime, owners: Sequence[str | None], backup_id: str
) -> tuple[list[BackupRef], _Missing]:
    """The backups to verify, and who has none.

    Raises:
        TenantNotFoundError: there is no backup of a slug, and no such tenant either.
    """
    refs, missing = [], []
    for slug in owners:
        try:
            if backup_id == LATEST:
                refs.append(latest_backup(runtime.store, slug).ref)
            else:
                refs.append(find_backup(runtime.store, slug, backup_id).ref)
        except BackupNotFoundError as error:
            if slug:
                with runtime.registry() as connection:
                    read_tenant(connection, slug)
            missing.append((slug, error))
    return refs, missing


def _verdicts(verifier: Verifier, refs: Sequence[BackupRef]) -> Generator[Verdict, None, None]:
    if refs and refs[0].slug is None:
        yield verify_platform(verifier, refs[0])
    else:
        yield from verify_backups(verifier, refs)


def _print(
    verdicts: Sequence[Verdict], missing: _Missing, problems: list[str], *, as_json: bool
) -> None:
    if as_json:
        without = [_no_backup(slug, str(error)) for slug, error in missing]
        print_json(
            {"verdicts": [verdict_summary(v) for v in verdicts] + without, "problems": problems}
        )
        return
    print_table(
        ("tenant", "verdict", "backup", "restore#", "dump again#"),
        [
            (
                v.ref.slug or "(platform)",
                v.status,
                v.backup_id,
                seconds(v.restore_seconds),
                seconds(v.dump_seconds),
            )
            for v in verdicts
        ]
        + [(slug, Status.ERROR, "none", "", "") for slug, _ in missing],
    )


def _no_backup(slug: str | None, cause: str) -> dict[str, Any]:
    """The keys of a verdict for a tenant of which there is nothing to verify."""
    return {
        **dict.fromkeys(Verdict.model_fields),
        "slug": slug,
        "status": Status.ERROR.value,
        "causes": [cause],
        "differences": [],
        "summary": cause,
    }


def _exit(verdicts: Sequence[Verdict], missing: _Missing, problems: list[str]) -> None:
    """Say on stderr what is not verified and why; a bad backup outweighs a missing verdict."""
    for verdict in verdicts:
        if verdict.status is not Status.VERIFIED:
            print_error(f"{verdict.ref.owner}: {verdict.status}: {'; '.join(verdict.causes)}")
            for difference in verdict.differences[:_SHOWN_DIFFERENCES]:
                note(f"  {difference}")
            if (more := len(verdict.differences) - _SHOWN_DIFFERENCES) > 0:
                note(f"  and {more} more; --json lists all")
    for line in [*(str(error) for _, error in missing), *problems]:
        print_error(line)
    statuses = {verdict.status for verdict in verdicts}
    if Status.FAILED in statuses:
        raise click.exceptions.Exit(ExitCode.BACKUP_FAILED)
    if Status.ERROR in statuses or missing:
        raise click.exceptions.Exit(ExitCode.NO_VERDICT)
    if problems:
        raise click.exceptions.Exit(ExitCode.FAILURE)
