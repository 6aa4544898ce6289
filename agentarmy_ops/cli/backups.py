"""``agentarmy-ops backups …``."""

from datetime import UTC, datetime

import click

from agentarmy_ops.backups.catalog import (
    backed_up_slugs,
    find_backup,
    latest_backup,
    list_many,
    load_manifest,
    load_verdicts,
)
from agentarmy_ops.backups.manifest import Encryption, Manifest
from agentarmy_ops.backups.reference import new_id
from agentarmy_ops.backups.verdict import Verdict
from agentarmy_ops.cli.check import check
from agentarmy_ops.cli.options import LATEST, BackupIdType, SlugType
from agentarmy_ops.cli.output import (
    PLATFORM,
    json_option,
    print_facts,
    print_json,
    print_json_list,
    print_rows,
    print_table,
)
from agentarmy_ops.cli.summaries import entry_summary, verdict_summary
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import read_tenant
from agentarmy_ops.text import age, seconds, size, when

_ENCRYPTED = {True: "age", False: "no", None: "no archive"}


@click.group()
def backups() -> None:
    """Look at the backups in the store."""


backups.add_command(check)


@backups.command(
    "list",
    epilog="""\b
Examples:
  agentarmy-ops backups list --all
  agentarmy-ops backups list acme
  agentarmy-ops backups list --all --json | jq '.backups[] | select(.verdict != "verified")'

Lists the store, and never reads what is in it; needs no database. Incomplete backups are left out;
those of tenants that are not registered any more are listed.""",
)
@click.argument("slug", type=SlugType(), required=False)
@click.option("--all", "every", is_flag=True, help="Of all tenants and the platform: the default.")
@click.option("--platform", is_flag=True, help="Of the platform part only.")
@json_option
def list_(slug: str | None, every: bool, platform: bool, as_json: bool) -> None:
    """List complete backups, oldest first, each with its newest verdict.

    Of tenant SLUG, or of all.
    """
    if bool(slug) + every + platform > 1:
        raise click.UsageError("give only one of SLUG, --all and --platform")
    runtime = Runtime()
    store, now = runtime.store, datetime.now(UTC)
    owners = [slug] if slug or platform else [*backed_up_slugs(store), None]
    listings = list_many(store, owners)
    if slug:
        ((_, entries),) = listings
        if not entries:
            with runtime.registry() as connection:
                read_tenant(connection, slug)  # a slug nobody has is a mistake
        listings = iter([(slug, entries)])
    found = (entry_summary(entry, now) for _, entries in listings for entry in entries)
    if as_json:
        print_json_list({"store": store.url}, "backups", found)
        return
    print_rows(
        (
            ("tenant", max(len(owner or PLATFORM) for owner in owners)),
            ("backup", len(new_id())),
            ("completed", len(when(now))),
            ("age#", 6),
            ("stored#", 10),
            ("encrypted", 3),
            ("verdict", 8),
        ),
        (
            (
                b["slug"] or PLATFORM,
                b["backup_id"],
                b["completed_at"],
                age(b["age_seconds"]),
                size(b["stored_bytes"]),
                _ENCRYPTED[b["encrypted"]],
                b["verdict"],
            )
            for b in found
        ),
    )


@backups.command(
    epilog="""\b
Examples:
  agentarmy-ops backups show acme
  agentarmy-ops backups show acme 20261123T021503Z-7f3a9c --json
  agentarmy-ops backups show --platform

Only reads the store; needs no database."""
)
@click.argument("slug", required=False)
@click.argument("backup_id", required=False)
@click.option("--platform", is_flag=True, help="A backup of the platform part, instead of SLUG.")
@json_option
def show(slug: str | None, backup_id: str | None, platform: bool, as_json: bool) -> None:
    """Show one backup of tenant SLUG: the one of BACKUP_ID, else the latest."""
    if platform:
        if backup_id is not None:
            raise click.UsageError("give either SLUG or --platform, not both")
        slug, backup_id = None, slug
    elif slug is None:
        raise click.UsageError("name a tenant, or give --platform")
    else:
        slug = SlugType().convert(slug, None, None)
    wanted = BackupIdType().convert(backup_id or LATEST, None, None)
    store = Runtime().store
    entry = latest_backup(store, slug) if wanted == LATEST else find_backup(store, slug, wanted)
    manifest = load_manifest(store, entry.ref)
    verdicts = list(load_verdicts(store, entry))
    if as_json:
        print_json(
            {
                "store": store.url,
                "manifest": manifest.model_dump(mode="json"),
                "verdicts": [verdict_summary(verdict) for verdict in verdicts],
            }
        )
        return
    _print(store.url, manifest, verdicts)


def _encryption(encryption: Encryption | None) -> str:
    if encryption is None:
        return "none"
    key = f"secret {encryption.secret} version {encryption.version}"
    return f"{encryption.scheme}, {key}, to {', '.join(encryption.recipients)}"


def _print(url: str, manifest: Manifest, verdicts: list[Verdict]) -> None:
    archive, snapshot = manifest.archive, manifest.snapshot
    needs = manifest.needs
    print_facts(
        (
            ("backup", manifest.ref),
            ("archive", f"{url}/{archive.object_name}"),
            ("snapshot", f"{snapshot.database} at {snapshot.lsn}"),
            ("taken", snapshot.taken_at),
            ("finished", manifest.finished_at),
            ("time", seconds(manifest.backup_seconds)),
            ("server, pg_dump", f"{snapshot.server_version}, {snapshot.tool_version}"),
            ("rows", manifest.fingerprint.rows),
            ("size", size(archive.plain_bytes)),
            ("stored", f"{size(archive.stored_bytes)} ({archive.ratio:.1f} to 1)"),
            ("sha256", archive.sha256),
            ("encryption", _encryption(archive.encryption)),
            ("needs extensions", ", ".join(needs.extensions) or "none"),
            ("needs objects", ", ".join(map(str, needs.outside_objects)) or "none"),
            ("left out", ", ".join(map(str, manifest.left_out)) or "nothing"),
        )
    )
    print_table(
        ("table", "rows#", "size#"),
        ((f"{t.namespace}.{t.table}", t.rows, size(t.bytes)) for t in manifest.fingerprint.tables),
    )
    print_table(
        ("verification", "verdict", "finished", "restore#", "what"),
        (
            (v.verification_id, v.status, v.finished_at, seconds(v.restore_seconds), v.summary)
            for v in verdicts
        ),
    )
