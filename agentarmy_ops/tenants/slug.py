"""A tenant's slug and the schema it maps to."""

import re

from agentarmy_ops.errors import InvalidInputError

SLUG_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{1,48}[a-z0-9]")
SCHEMA_PREFIX = "tenant_"


def validate_slug(slug: str) -> str:
    """Return ``slug`` if it is one: 3 to 50 characters of ``a-z``, ``0-9`` and inner ``-``.

    Raises:
        InvalidInputError: it is not; the message says what a slug looks like.
    """
    if not SLUG_PATTERN.fullmatch(slug):
        raise InvalidInputError(
            f"{slug!r} is not a tenant slug: use 3 to 50 lower-case letters, digits and "
            "hyphens, beginning and ending with a letter or digit"
        )
    return slug


def schema_name(slug: str) -> str:
    """The schema of a tenant: ``skyvera-eu`` lives in ``tenant_skyvera_eu``.

    Injective, because a slug contains no underscore; at most 57 of PostgreSQL's 63 bytes.
    """
    return SCHEMA_PREFIX + validate_slug(slug).replace("-", "_")
