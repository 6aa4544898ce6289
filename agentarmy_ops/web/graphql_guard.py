"""What a GraphQL document would do, found out before it is executed.

Asked by Dagster's own server (``dagster_ui``) for the text it is about to parse, so that guard and
server cannot take the same request for two documents.
"""

from dataclasses import dataclass
from functools import lru_cache

from graphql import (
    GraphQLError,
    GraphQLFormattedError,
    GraphQLSyntaxError,
    Lexer,
    OperationDefinitionNode,
    OperationType,
    Source,
    TokenKind,
    parse,
)
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from agentarmy_ops.web.auth.failures import record
from agentarmy_ops.web.auth.identity import READ_ONLY, ROLE, Role

MAX_LENGTH = 200_000
"""Characters of a document; comments are no tokens."""
MAX_TOKENS = 10_000
"""Tokens of a document. The largest of Dagster's pages has less than a tenth."""
MAX_DEPTH = 100
"""Brackets within brackets. The parser takes some Python frames for each, and there are 1,000."""
_OPENING = frozenset({TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L})
_CLOSING = frozenset({TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R})


@dataclass(frozen=True)
class Objection:
    """Why a document is not executed: the HTTP status, and what GraphQL says it with."""

    status: int
    error: GraphQLFormattedError


async def objection(connection: HTTPConnection, text: object) -> Objection | None:
    """Why this document is not executed for whoever sent it; None: it may be.

    Nobody's mutation by a GET, for a link on any page sends that, with the session's cookie. No
    viewer's mutation at all, in whichever operation of the document, for the name of the
    operation that is executed comes separately. Whoever is not an operator is a viewer.
    """
    if not isinstance(text, str):
        return Objection(400, {"message": "a GraphQL query is a text"})
    trusted = connection.scope.get(ROLE) is Role.OPERATOR
    if trusted and connection.scope.get("method") == "POST":
        return None
    try:
        changes = await run_in_threadpool(_changes, text)
    except GraphQLError as error:
        return Objection(400, error.formatted)
    if changes and not trusted:
        record(connection.scope, READ_ONLY)
        return Objection(READ_ONLY.status, {"message": READ_ONLY.message})
    if changes and connection.scope["type"] == "http":
        return Objection(405, {"message": "mutations must be sent by POST"})
    return None


@lru_cache(maxsize=128)
def _changes(text: str) -> bool:
    """Whether a mutation is among the operations. Pages send the same texts again and again.

    Raises:
        GraphQLError: it cannot be read, or not without much work.
    """
    if len(text) > MAX_LENGTH:
        raise GraphQLError(f"a document may have {MAX_LENGTH} characters at most")
    _check_size(text)
    return any(
        isinstance(part, OperationDefinitionNode) and part.operation is OperationType.MUTATION
        for part in parse(text).definitions
    )


def _check_size(text: str) -> None:
    """Raises: GraphQLError: the parser would take long, or more frames than Python has."""
    lexer = Lexer(Source(text))
    depth = 0
    for _ in range(MAX_TOKENS):
        kind = lexer.advance().kind
        if kind is TokenKind.EOF:
            return
        depth += (kind in _OPENING) - (kind in _CLOSING)
        if depth > MAX_DEPTH:
            raise GraphQLSyntaxError(lexer.source, lexer.token.start, f"deeper than {MAX_DEPTH}")
    raise GraphQLSyntaxError(lexer.source, lexer.token.start, f"more than {MAX_TOKENS} tokens")
