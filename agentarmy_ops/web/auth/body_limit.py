"""Bodies are read into memory: no more than so much of one."""

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

BODY = 8 * 1024 * 1024
"""Bytes of a request. Dagster's largest, a backfill that names 10,000 partitions, has less than
one tenth."""
STRANGERS_BODY = 16 * 1024
"""Bytes of a request of somebody who has not logged in."""


def limited(scope: Scope, receive: Receive, limit: int) -> Receive:
    """``receive``, which raises an HTTPException (413) after ``limit`` bytes of a request's body.
    Starlette's applications answer with it."""
    if scope["type"] != "http":
        return receive
    seen = 0

    async def receive_limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, f"a request may have {limit} bytes at most")
        return message

    return receive_limited
