"""What an operator may call a tenant and its admin."""

import re

from agentarmy_ops.errors import InvalidInputError

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_LONGEST_NAME = 200  # characters
_LONGEST_EMAIL = 254  # characters; RFC 5321


def validate_name(name: str) -> str:
    """Return a tenant's display name without the blanks around it.

    Raises:
        InvalidInputError: it is empty, longer than 200 characters, or holds characters that
            cannot be printed.
    """
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidInputError(
            f"{name[:_LONGEST_NAME]!r} is not a tenant's name: use 1 to {_LONGEST_NAME} "
            "printable characters"
        )
    return name


def validate_email(email: str) -> str:
    """Return an e-mail address without the blanks around it.

    Raises:
        InvalidInputError: it does not look like ``name@example.com``.
    """
    email = email.strip()
    if len(email) > _LONGEST_EMAIL or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise InvalidInputError(
            f"{email[:_LONGEST_EMAIL]!r} is not an e-mail address; write it as name@example.com"
        )
    return email
