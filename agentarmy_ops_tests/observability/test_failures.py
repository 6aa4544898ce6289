"""What events are grouped by."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentarmy_ops.errors import BackupError, DatabaseError
from agentarmy_ops.observability.failures import root_cause, without_variables


def chained(*errors: Exception) -> Exception:
    for inner, outer in pairwise(errors):
        outer.__cause__ = inner
    return errors[-1]


def test_the_root_of_a_chain_is_the_cause() -> None:
    root = DatabaseError("no server")
    assert root_cause(chained(root, BackupError("x"), RuntimeError("wrapper"))) is root


def test_what_was_being_handled_counts_unless_it_was_left_out() -> None:
    def handled() -> Exception:
        with pytest.raises(BackupError) as caught:
            try:
                raise DatabaseError("inner")  # noqa: TRY301
            except DatabaseError:
                raise BackupError("outer")  # noqa: B904 - that is the point
        return caught.value

    def left_out() -> Exception:
        with pytest.raises(BackupError) as caught:
            try:
                raise DatabaseError("inner")  # noqa: TRY301
            except DatabaseError:
                raise BackupError("outer") from None
        return caught.value

    assert isinstance(root_cause(handled()), DatabaseError)
    assert isinstance(root_cause(left_out()), BackupError)


def test_a_chain_that_bites_its_tail_has_an_end() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert root_cause(first) is second


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("tenant acme has no schema tenant_acme", "tenant <tenant> has no schema <schema>"),
        ("acme: waited 60 s", "<tenant>: waited <n> s"),
        ("acme-eu is another tenant", "acme-eu is another tenant"),
        ("tenant_globex_eu.users", "<schema>.users"),
        ("id 6f9619ff-8b86-d011-b42d-00c04fc964ff", "id <uuid>"),
        ("backup 20261123T021503Z-7f3a9c is gone", "backup <id> is gone"),
        ("since 2026-11-23T02:15:03.123+00:00, 5 times", "since <time>, <n> times"),
        ("since 2026-11-23 02:15:03Z", "since <time>"),
        ("sha256 deadbeef0123456789 is wrong", "sha<n> <n> is wrong"),
        ("a facade is no number", "a facade is no number"),
        ("db.example:5432 oid 16384", "db.example:<n> oid <n>"),
    ],
)
def test_what_differs_from_tenant_to_tenant_goes(message: str, expected: str) -> None:
    assert without_variables(message, "acme") == expected


SLUGS = st.from_regex(r"[a-z][a-z0-9]{2,8}", fullmatch=True)


@given(one=SLUGS, other=SLUGS, numbers=st.tuples(st.integers(0), st.integers(0)))
def test_the_same_cause_is_the_same_for_every_tenant(
    one: str, other: str, numbers: tuple[int, int]
) -> None:
    def message(slug: str, number: int) -> str:
        return f"'{slug}': TABLE tenant_{slug}.x, {number} ROWS"

    assert without_variables(message(one, numbers[0]), one) == without_variables(
        message(other, numbers[1]), other
    )
