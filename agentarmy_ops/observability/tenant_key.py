"""What a client may call a tenant by."""

import re
from uuid import UUID

from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.tenants.slug import SLUG_PATTERN

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def tenant_key(value: str) -> UUID | str:
    """The tenant's id or slug. What looks like an id is one, though it could be a slug, too.

    Raises:
        InvalidInputError: it is neither; the message does not repeat it.
    """
    if _ID.fullmatch(value):
        return UUID(value)
    if SLUG_PATTERN.fullmatch(value):
        return value
    raise InvalidInputError("neither a tenant's id (a UUID) nor a slug")
