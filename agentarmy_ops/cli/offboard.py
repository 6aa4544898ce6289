"""``agentarmy-ops tenant offboard`` and ``tenant export``."""

from pathlib import Path
from typing import Any

import click

from agentarmy_ops.cli.confirm import confirm
from agentarmy_ops.cli.options import SlugType
from agentarmy_ops.cli.output import (
    json_option,
    note,
    print_error,
    print_facts,
    print_json,
    print_table,
)
from agentarmy_ops.errors import OffboardingError
from agentarmy_ops.offboarding.erase import erase_tenant
from agentarmy_ops.offboarding.export import Export, export_tenant
from agentarmy_ops.offboarding.journal import certificate_name, list_offboardings
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.records import BackupsMode, Certificate, Fate
from agentarmy_ops.offboarding.request import cancel_offboarding, request_offboarding
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import read_tenant
from agentarmy_ops.text import size, when

_SHOWN = 5


@click.command(
    epilog="""\b
Examples:
  agentarmy-ops tenant offboard acme --export /safe/acme   # back up, prove, disable
  agentarmy-ops tenant offboard acme --cancel
  agentarmy-ops tenant offboard --list
  agentarmy-ops tenant offboard acme --erase --backups shred
  agentarmy-ops tenant offboard acme --erase --json | jq .certificate

A request erases nothing: the tenant is disabled, and cools off. --erase is for good, and never
without a verified backup that holds just what is erased; never touches another tenant. Whatever is
cut short is completed by the same command. Exit code 8: refused, nothing was touched; 10: not all
is done, give it again.""",
)
@click.argument("slug", type=SlugType(), required=False)
@click.option("--cancel", is_flag=True, help="Take the request back: the tenant is as it was.")
@click.option("--erase", is_flag=True, help="Erase the tenant, when it has cooled off.")
@click.option("--now", is_flag=True, help="With --erase: do not wait for that.")
@click.option(
    "--backups",
    type=click.Choice([mode.value for mode in BackupsMode]),
    help="What becomes of the backups when it is erased: keep (default); shred: destroy their key, "
    "delete what is readable without it; or delete. With --erase: instead of what was requested.",
)
@click.option(
    "--export",
    "export_to",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="First write the tenant's data into this new folder, as 'tenant export' does.",
)
@click.option("--list", "list_all", is_flag=True, help="List requests, of SLUG or all.")
@click.option("--yes", is_flag=True, help="Do not ask for the slug as confirmation.")
@json_option
def offboard(
    slug: str | None,
    *,
    cancel: bool,
    erase: bool,
    now: bool,
    backups: str | None,
    export_to: Path | None,
    list_all: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Ask for tenant SLUG to be erased; take that back; erase it."""
    if cancel + erase + list_all > 1:
        raise click.UsageError("give one of --cancel, --erase and --list")
    if slug is None and not list_all:
        raise click.UsageError("name the tenant, or give --list")
    if now and not erase:
        raise click.UsageError("--now goes with --erase")
    if (backups or export_to) and (cancel or list_all):
        raise click.UsageError("--backups and --export are not for --cancel or --list")
    if export_to and erase:
        raise click.UsageError("--export is for the request, while all is there")
    runtime = Runtime()
    mode = BackupsMode(backups) if backups else None
    offboarder = runtime.offboarder(watch=lambda step: note(f"{slug}: {step}"))
    if slug is None or list_all:
        _list(offboarder, slug, as_json=as_json)
    elif cancel:
        _cancel(offboarder, slug, yes=yes, as_json=as_json)
    elif erase:
        _erase(offboarder, slug, mode, now=now, yes=yes, as_json=as_json)
    else:
        confirm(slug, "disable it, and have it erased later", yes=yes)
        exported = _export(runtime, slug, export_to) if export_to else None
        _request(offboarder, slug, mode or BackupsMode.KEEP, exported, as_json=as_json)


@click.command(
    epilog="""\b
Examples:
  agentarmy-ops tenant export acme --to /safe/acme
  agentarmy-ops tenant export acme --to /safe/acme --no-sql

Only reads, in one snapshot. The folder is mode 0700 and not encrypted: it holds all the tenant has,
its users' password hashes included. A failure leaves nothing.""",
)
@click.argument("slug", type=SlugType())
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The new folder.",
)
@click.option("--no-sql", is_flag=True, help="CSV files only.")
@json_option
def export(slug: str, *, folder: Path, no_sql: bool, as_json: bool) -> None:
    """Write all data of tenant SLUG into a new folder: SQL, and a CSV file for each table."""
    exported = _export(Runtime(), slug, folder, with_sql=not no_sql)
    if as_json:
        print_json({"export": _export_summary(exported)})
        return
    click.echo(
        f"tenant {slug}: {exported.tables} tables, {size(exported.bytes)} in {exported.folder}"
    )


def _export(runtime: Runtime, slug: str, folder: Path, *, with_sql: bool = True) -> Export:
    with runtime.registry() as connection:
        tenant = read_tenant(connection, slug)
    return export_tenant(runtime.source(), tenant, folder, with_sql=with_sql)


def _export_summary(exported: Export | None) -> dict[str, Any] | None:
    return {**vars(exported), "files": list(exported.files)} if exported else None


def _request(
    offboarder: Offboarder,
    slug: str,
    mode: BackupsMode,
    exported: Export | None,
    *,
    as_json: bool,
) -> None:
    request = request_offboarding(offboarder, slug, backups=mode)
    if as_json:
        print_json(
            {"request": request.model_dump(mode="json"), "export": _export_summary(exported)}
        )
        return
    if exported:
        click.echo(f"its data are in {exported.folder}")
    click.echo(
        f"tenant {slug} is disabled, its backup {request.backup_id} is verified; it can be erased "
        f"from {when(request.erase_after)} on with --erase, and brought back until then and "
        f"after with --cancel; its backups: {request.backups_mode}"
    )


def _cancel(offboarder: Offboarder, slug: str, *, yes: bool, as_json: bool) -> None:
    confirm(slug, "take back the request to erase it", yes=yes)
    cancellation = cancel_offboarding(offboarder, slug)
    if as_json:
        print_json({"cancellation": cancellation.model_dump(mode="json")})
        return
    state = "active again" if cancellation.is_active else "as it was, which is not active"
    click.echo(f"tenant {slug} is {state}; it is not going to be erased")


def _erase(
    offboarder: Offboarder,
    slug: str,
    mode: BackupsMode | None,
    *,
    now: bool,
    yes: bool,
    as_json: bool,
) -> None:
    confirm(slug, "erase it, for good", yes=yes)
    certificate = erase_tenant(offboarder, slug, now=now, backups=mode)
    if as_json:
        name = certificate_name(certificate)
        print_json({"certificate": certificate.model_dump(mode="json"), "object": name})
    else:
        _print_certificate(certificate)
    if not certificate.complete:
        held = ", ".join(certificate.not_erased[:_SHOWN])
        print_error(
            f"the store holds {len(certificate.not_erased)} objects of tenant {slug}: {held}; give "
            "the command again when it lets them go"
        )
        raise click.exceptions.Exit(OffboardingError.exit_code)


def _print_certificate(certificate: Certificate) -> None:
    final = certificate.final
    fates = [backup.fate for backup in certificate.backups]
    gone = [one.identifier for one in certificate.secrets if one.fate is not Fate.KEPT]
    keys = certificate.redis_keys
    print_facts(
        (
            ("tenant", f"{certificate.slug} ({certificate.tenant_id})"),
            ("erased", certificate.began_at),
            ("schemas", ", ".join(certificate.schemas) or "gone before"),
            ("rows", f"{sum(one.rows for one in final.tables)} of {len(final.tables)} tables"),
            ("final backup", f"{final.backup_id}, manifest sha256 {final.manifest_sha256}"),
            ("Redis keys", "not looked at" if keys is None else keys),
            ("secrets", ", ".join(gone) or "none"),
            ("backups", ", ".join(f"{fates.count(f)} {f}" for f in dict.fromkeys(fates)) or "none"),
            ("certificate", certificate_name(certificate)),
        )
    )


def _list(offboarder: Offboarder, slug: str | None, *, as_json: bool) -> None:
    found = list(list_offboardings(offboarder.store, slug))
    if as_json:
        print_json(
            {
                "offboardings": [
                    {
                        "state": one.state().value,
                        "request": one.request.model_dump(mode="json"),
                        "certificate": certificate_name(one.certificate)
                        if one.certificate
                        else None,
                    }
                    for one in found
                ]
            }
        )
        return
    print_table(
        ("tenant", "state", "requested", "erase after", "backups", "certificate"),
        (
            (
                one.request.slug,
                one.state(),
                one.request.requested_at,
                one.request.erase_after,
                one.erasing.backups_mode if one.erasing else one.request.backups_mode,
                one.certificate.certificate_id if one.certificate else "",
            )
            for one in found
        ),
    )
