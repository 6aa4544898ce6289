"""The whole main path on invented tenants, in a minute."""

from collections.abc import Iterable
from typing import NamedTuple

import click

from agentarmy_ops.backups.catalog import latest_backup, load_manifest, load_verdicts
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.cli.output import note, print_table
from agentarmy_ops.cli.progress import progress
from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.settings import Environment
from agentarmy_ops.tenants.registry import read_tenant
from agentarmy_ops.tenants.sample import insert_sample_data
from agentarmy_ops.text import size


class DemoTenant(NamedTuple):
    """An invented tenant and how much data it has."""

    slug: str
    name: str
    rows: int


TENANTS = (
    DemoTenant("acme", "Acme Robotics", 120_000),
    DemoTenant("skyvera-eu", "Skyvera Europe", 60_000),
    DemoTenant("globex", "Globex", 24_000),
)


@click.command(
    epilog="""\b
Examples:
  agentarmy-ops demo
  agentarmy-ops up        # then look at the same tenants in the Dagster UI

Runs again without harm: tenants and their rows stay as they are, and get one more backup. Only in
the development and testing environments."""
)
@click.pass_context
def demo(context: click.Context) -> None:
    """Provision three tenants with sample data, back them up and prove the backups, through
    Dagster jobs."""
    # Loaded here: Dagster takes a second, which --help should not.
    from agentarmy_ops.definitions import defs  # noqa: PLC0415
    from agentarmy_ops.orchestration.local_runs import open_instance, run_job  # noqa: PLC0415

    runtime = Runtime()
    if runtime.settings.environment not in (Environment.DEVELOPMENT, Environment.TESTING):
        raise ConfigurationError(
            "demo invents tenants, so it does not run with "
            f"ENVIRONMENT={runtime.settings.environment}"
        )
    slugs = [tenant.slug for tenant in TENANTS]
    note("Starting PostgreSQL and the Dagster instance")
    with open_instance() as instance:
        with progress("Job provision_tenant", len(TENANTS)) as report:
            for tenant in TENANTS:
                email = f"admin@{tenant.slug}.example"
                config = {"tenant": {"config": {"name": tenant.name, "admin_email": email}}}
                run_job(defs, instance, "provision_tenant", [tenant.slug], ops=config)
                with runtime.registry() as connection:
                    row = read_tenant(connection, tenant.slug)
                added = insert_sample_data(runtime.owner, row, tenant.rows)
                report(f"{tenant.slug}: provisioned, {added:,} sample rows added")
        with progress("Job backup_tenants", len(TENANTS) + 1) as report:
            run_job(
                defs,
                instance,
                "backup_tenants",
                slugs,
                watch=lambda _, slug: report(f"{slug or 'platform'}: backed up"),
            )
        with progress("Job verify_restores", len(TENANTS)) as report:
            run_job(
                defs,
                instance,
                "verify_restores",
                slugs,
                watch=lambda _, slug: report(f"{slug}: restored, dumped again, compared"),
            )
    if not _print_result(runtime, slugs):
        context.exit(ExitCode.BACKUP_FAILED)


def _print_result(runtime: Runtime, slugs: Iterable[str]) -> bool:
    """The table of what is in the store now; whether all of it is verified."""
    rows: list[tuple[object, ...]] = []
    statuses = []
    for slug in slugs:
        entry = latest_backup(runtime.store, slug)
        manifest = load_manifest(runtime.store, entry.ref)
        verdict = next(load_verdicts(runtime.store, entry), None)
        statuses.append(verdict.status if verdict else None)
        rows.append(
            (
                slug,
                f"{manifest.fingerprint.rows:,}",
                size(manifest.archive.plain_bytes),
                size(manifest.archive.stored_bytes),
                f"{manifest.archive.ratio:.1f}x",
                f"{manifest.backup_seconds:.2f}",
                f"{verdict.restore_seconds:.2f}" if verdict and verdict.restore_seconds else "",
                verdict.status.value if verdict else "none",
                f"{runtime.store.url}/{entry.ref.prefix}",
            )
        )
    print_table(
        (
            "tenant",
            "rows#",
            "plain#",
            "stored#",
            "ratio#",
            "backup s#",
            "proven restore s#",
            "verdict",
            "path",
        ),
        rows,
    )
    return all(status is Status.VERIFIED for status in statuses)
