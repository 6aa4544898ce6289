"""PostgreSQL's errors in one line."""

import psycopg


def reason(error: psycopg.Error) -> str:
    """The server's primary message, or the client's first line; never the row or statement."""
    text = error.diag.message_primary or str(error).strip() or type(error).__name__
    return text.splitlines()[0]
