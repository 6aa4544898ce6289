"""``agentarmy-ops keys …``."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from agentarmy_ops.backups.keys import Keys, key_secret
from agentarmy_ops.backups.keys_versions import (
    OwnersKey,
    destroy_unused,
    key_owners,
    look_up_key,
    unused_versions,
)
from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.cli.options import SlugType, check_selection, tenants_options
from agentarmy_ops.cli.output import json_option, note, print_error, print_json, print_table
from agentarmy_ops.cli.selection import select_tenants
from agentarmy_ops.errors import OpsError
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.lock import tenant_lock


@click.group("keys")
def keys() -> None:
    """Look after the keys that backups are encrypted to.

    Each is an age identity in the secrets store: the secret SLUG-backup-key.
    """


_platform_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--platform", is_flag=True, help="The key of the platform part."
)


@keys.command(
    epilog="""\b
Examples:
  agentarmy-ops keys rotate --tenant acme
  agentarmy-ops keys rotate --all --platform

Never changes a backup, and never removes a key: backups made before stay readable with the version
that their manifest names. See also: keys destroy-unused."""
)
@tenants_options
@_platform_option
@json_option
def rotate(slugs: tuple[str, ...], every: bool, platform: bool, as_json: bool) -> None:
    """Make a new key: backups made from now on are encrypted to it."""
    check_selection(slugs, every=every, otherwise=platform)
    runtime = Runtime()
    tenants, problems = select_tenants(runtime, slugs) if slugs or every else ([], [])
    owners: list[str | None] = [tenant.slug for tenant in tenants]
    results = [_rotate(runtime.keys, owner) for owner in owners + [None] * platform]
    if as_json:
        print_json({"results": results, "problems": problems})
    else:
        print_table(
            ("tenant", "secret", "version#", "recipient"),
            ((_owner(r["slug"]), r["secret"], r["version"], r["recipient"]) for r in results),
        )
    if not runtime.settings.encrypts_backups:
        note("Backups are not encrypted here; see BACKUP_ENCRYPTION.")
    _exit(results, problems)


def _rotate(keys: Keys, slug: str | None) -> dict[str, Any]:
    result = {"slug": slug, "secret": key_secret(slug), "version": None, "recipient": None}
    try:
        version, recipient = keys.rotate(slug)
    except OpsError as error:
        return {**result, "error": str(error)}
    return {**result, "version": version, "recipient": recipient, "error": None}


@keys.command(
    "list",
    epilog="""\b
Examples:
  agentarmy-ops keys list
  agentarmy-ops keys list --tenant acme --json

Reads the secrets store and the manifests in the backup store; needs no database. Never shows a key,
only its public half, the recipient.""",
)
@click.option("--tenant", "slug", type=SlugType(), metavar="SLUG", help="Of this tenant only.")
@click.option("--platform", is_flag=True, help="Of the platform part only.")
@json_option
def list_(slug: str | None, platform: bool, as_json: bool) -> None:
    """List keys, their versions, and how many complete backups need each."""
    if slug and platform:
        raise click.UsageError("give either --tenant or --platform, not both")
    runtime = Runtime()
    owners = [slug] if slug or platform else key_owners(runtime.keys)
    found = [look_up_key(runtime.keys, runtime.store, owner) for owner in owners]
    if as_json:
        print_json({"keys": [_summary(key) for key in found]})
    else:
        print_table(
            ("tenant", "secret", "version#", "backups#", "recipient"),
            (row for key in found for row in _rows(key)),
        )
    for key in found:
        for line in key.unreadable:
            note(f"Warning: {line}")


def _summary(key: OwnersKey) -> dict[str, Any]:
    return {
        "slug": key.slug,
        "secret": key.secret,
        "newest": key.newest,
        "recipient": key.recipient,
        "versions": [
            {"version": one.version, "backups": one.backups, "is_there": one.is_there}
            for one in key.versions
        ],
        "unencrypted_backups": key.unencrypted,
        "unreadable": list(key.unreadable),
    }


def _rows(key: OwnersKey) -> Iterator[tuple[object, ...]]:
    for one in key.versions:
        recipient = key.recipient if one.version == key.newest else ""
        yield (
            _owner(key.slug),
            key.secret,
            one.version,
            one.backups,
            recipient if one.is_there else "gone",
        )


@keys.command(
    "destroy-unused",
    epilog="""\b
Examples:
  agentarmy-ops keys destroy-unused --all
  agentarmy-ops keys destroy-unused --tenant acme --apply

Shows what it would do; does it with --apply. A destroyed version never comes back. Never destroys
the newest version, one that was the newest within the last day, or one that any complete backup
needs; does nothing for a tenant of whose backups one cannot be read. Backups that the backup store
itself keeps after their deletion (soft delete, object versions) are not looked at.""",
)
@tenants_options
@_platform_option
@click.option("--apply", "apply_", is_flag=True, help="Do it.")
@json_option
def destroy_unused_(
    slugs: tuple[str, ...], every: bool, platform: bool, apply_: bool, as_json: bool
) -> None:
    """Destroy versions of keys that no backup in the store needs any more."""
    check_selection(slugs, every=every, otherwise=platform)
    runtime = Runtime()
    named: list[str | None] = [*dict.fromkeys(slugs)]
    owners = [*key_owners(runtime.keys)] if every else named + [None] * platform
    results = [_destroy(runtime, owner, apply=apply_) for owner in owners]
    if as_json:
        print_json({"applied": apply_, "results": results})
    else:
        print_table(
            ("tenant", "secret", "destroyed" if apply_ else "unused"),
            ((_owner(r["slug"]), r["secret"], ", ".join(r["versions"])) for r in results),
        )
    if not apply_ and any(result["versions"] for result in results):
        note("Nothing was destroyed; do it with --apply.")
    _exit(results, [])


def _destroy(runtime: Runtime, slug: str | None, *, apply: bool) -> dict[str, Any]:
    versions: Sequence[str] = ()
    error = None
    try:
        with _no_backup_under_way(runtime, slug, apply=apply):
            key = look_up_key(runtime.keys, runtime.store, slug)
            versions = (destroy_unused if apply else unused_versions)(runtime.keys, key)
    except OpsError as problem:
        error = str(problem)
    return {"slug": slug, "secret": key_secret(slug), "versions": list(versions), "error": error}


@contextmanager
def _no_backup_under_way(runtime: Runtime, slug: str | None, *, apply: bool) -> Iterator[None]:
    """A tenant's backup holds its lock from before it looks up the key until its manifest is
    written. The platform part's has no lock, but is done well within a day."""
    if slug is None or not apply:
        yield
        return
    timeout = runtime.settings.lock_timeout_seconds
    with (
        runtime.registry() as connection,
        tenant_lock(connection, slug, timeout_seconds=timeout),
    ):
        yield


def _owner(slug: str | None) -> str:
    return slug or "(platform)"


def _exit(results: Sequence[dict[str, Any]], problems: Sequence[str]) -> None:
    failed = [f"{_owner(r['slug'])}: {r['error']}" for r in results if r["error"]]
    for message in [*problems, *failed]:
        print_error(message)
    if failed or problems:
        raise click.exceptions.Exit(ExitCode.FAILURE)
