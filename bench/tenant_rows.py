"""The rows of a fleet's tenants as COPY text: the same for every run."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

TABLES = 12
ROWS = 200
_TENANT = b"@tenant@"
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_TEN_TIMES_EVERY = 50
_TEN_TIMES_AT = 25
_HUNDRED_TIMES_AT = 150


def rows_of(number: int) -> int:
    """Rows per table of a fleet's tenant: one in fifty has ten times the usual, and one, in
    fleets that reach so far, a hundred times."""
    if number == _HUNDRED_TIMES_AT:
        return 100 * ROWS
    if number % _TEN_TIMES_EVERY == _TEN_TIMES_AT:
        return 10 * ROWS
    return ROWS


@cache
def _text(table: int, rows: int) -> bytes:
    return b"".join(
        b"%d\t%s\t%s\t%s\t%.2f\t%s\n"
        % (
            number,
            _TENANT,
            b"%d" % number if table > 1 else rb"\N",
            (_FIRST + timedelta(minutes=7 * number)).isoformat().encode(),
            number * 1.37,
            hashlib.sha256(b"%d/%d" % (table, number)).hexdigest()[:32].encode(),
        )
        for number in range(1, rows + 1)
    )


def tables_of(tenant_id: str, rows: int) -> Iterator[tuple[str, bytes]]:
    """The name and the COPY text of each table of a tenant, parents before children."""
    for table in range(1, TABLES + 1):
        yield f"records_{table}", _text(table, rows).replace(_TENANT, tenant_id.encode())
