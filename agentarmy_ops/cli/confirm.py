"""Ask before what cannot be taken back, or only with effort."""

import sys

import click

from agentarmy_ops.errors import InvalidInputError


def confirm(slug: str, what: str, *, yes: bool) -> None:
    """Let the operator type the tenant's slug; ``yes`` stands for having done so.

    Raises:
        InvalidInputError: something else was typed, or there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInputError(
            f"to {what} needs a confirmation, and there is no terminal to ask on; give --yes"
        )
    typed = click.prompt(f"Type {slug} to {what}", default="", show_default=False, err=True)
    if typed.strip() != slug:
        raise InvalidInputError(f"that is not {slug}; nothing was touched")
