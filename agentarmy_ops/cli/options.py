"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agentarmy_ops.backups.keys_format import is_open_to_others
from agentarmy_ops.backups.reference import validate_backup_id
from agentarmy_ops.cli.output import note
from agentarmy_ops.tenants.slug import validate_slug

LATEST = "latest"


class SlugType(click.ParamType[str]):
    """A tenant's slug, checked before any work."""

    name = "slug"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Raises InvalidInputError."""
        del param, ctx
        return validate_slug(value)


class BackupIdType(click.ParamType[str]):
    """A backup's id, or ``latest``."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Raises InvalidInputError."""
        del param, ctx
        return LATEST if value == LATEST else validate_backup_id(value)


def tenants_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--tenant SLUG`` (again and again) and ``--all``."""
    command = click.option(
        "--all", "every", is_flag=True, help="Every tenant of shared.tenants, active or not."
    )(command)
    return click.option(
        "--tenant",
        "slugs",
        type=SlugType(),
        multiple=True,
        metavar="SLUG",
        help="This tenant; may be given several times.",
    )(command)


def _warn_of_open_file(
    context: click.Context, parameter: click.Parameter, path: Path | None
) -> Path | None:
    del context, parameter
    if path is not None and is_open_to_others(path):
        note(f"Warning: others may read {path}, which decrypts backups; make its mode 0600.")
    return path


identity_file_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--identity-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_warn_of_open_file,
    help="age identities that decrypt archives, instead of the tenants' keys (recovery).",
)


workspace_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--workspace",
    "workspace_files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Which code locations are loaded; may be given several times. Without it: workspace.yaml "
    "of DAGSTER_HOME.",
)


def backup_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--backup ID``: ``backup_id``, :data:`LATEST` where it is not given."""
    return click.option(
        "--backup",
        "backup_id",
        type=BackupIdType(),
        default=LATEST,
        metavar="ID",
        help=help_text,
    )


def check_selection(slugs: tuple[str, ...], *, every: bool, otherwise: bool) -> None:
    """Exactly one of ``--tenant``, ``--all``, unless there is something else to do.

    Raises:
        click.UsageError: none, or both.
    """
    if slugs and every:
        raise click.UsageError("give either --tenant or --all, not both")
    if not slugs and not every and not otherwise:
        raise click.UsageError("name tenants with --tenant SLUG, or give --all")
