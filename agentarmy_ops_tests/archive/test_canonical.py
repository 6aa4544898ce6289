"""What PostgreSQL may print in two ways is one thing; whatever else differs is two."""

import io
from collections.abc import Callable

import pytest

from agentarmy_ops.archive.canonical import canonical_definition, says_the_same
from agentarmy_ops.archive.describe import Description, describe
from agentarmy_ops.archive.difference import Difference, DifferenceKind, differences
from agentarmy_ops.archive.reprint import find_reprint
from agentarmy_ops.archive.rows import COPY_TERMINATOR
from agentarmy_ops.archive.toc import TocEntry
from agentarmy_ops_tests.archive import craft


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            b"CREATE POLICY p ON t TO b, a USING (true);\n",
            b"CREATE POLICY p ON t TO a, b USING (true);\n",
        ),
        (
            b'CREATE POLICY "p q" ON s."t "" u" AS RESTRICTIVE FOR SELECT TO "B, c", a;\n',
            b'CREATE POLICY "p q" ON s."t "" u" AS RESTRICTIVE FOR SELECT TO a, "B, c";\n',
        ),
    ],
)
def test_the_roles_of_a_policy_are_a_set(first: bytes, second: bytes) -> None:
    assert canonical_definition(b"POLICY", first) == canonical_definition(b"POLICY", second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"CREATE POLICY p ON t TO a, b;", b"CREATE POLICY p ON t TO a, c;"),
        (b"CREATE POLICY p ON t TO a, b;", b"CREATE POLICY p ON t TO a;"),
        (
            b"CREATE POLICY p ON t TO a USING ((x = 1));",
            b"CREATE POLICY p ON t TO a USING ((x = 2));",
        ),
        (b"CREATE POLICY p ON t FOR SELECT TO a;", b"CREATE POLICY p ON t FOR UPDATE TO a;"),
        (b"CREATE POLICY p ON t USING (b, a);", b"CREATE POLICY p ON t USING (a, b);"),
    ],
)
def test_policies_that_are_not_the_same(first: bytes, second: bytes) -> None:
    assert canonical_definition(b"POLICY", first) != canonical_definition(b"POLICY", second)


def test_grants_are_a_set_and_nothing_else_is() -> None:
    grants = [b"GRANT ALL ON TABLE t TO a", b"GRANT SELECT ON TABLE t TO b"]
    one, other = (b";\n".join([*order, b""]) for order in (grants, grants[::-1]))
    for desc in (b"ACL", b"DEFAULT ACL"):
        assert canonical_definition(desc, one) == canonical_definition(desc, other)
    for unordered in (b"TABLE", b"FUNCTION", None):
        assert canonical_definition(unordered, one) == one
        assert canonical_definition(unordered, other) == other
    less = grants[0] + b";\n"
    assert canonical_definition(b"ACL", one) != canonical_definition(b"ACL", less)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            b"CHECK (((status)::text = ANY ((ARRAY['new'::character varying,"
            b" 'done'::character varying])::text[])))",
            b"CHECK (((status)::text = ANY (ARRAY[('new'::character varying)::text,"
            b" ('done'::character varying)::text])))",
        ),
        (b"EXCEPT (VALUES (1))", b"EXCEPT ( VALUES (1))"),
        (b"(own text, a integer, later integer)", b"(a integer, later integer, own text)"),
        (b"a::numeric(10,2)", b"(a)"),
        (b"x::timestamp without time zone[]", b"x"),
        (b"'it''s'::text", b"'it''s'"),
        (b'x::public."My type"', b"x"),
    ],
)
def test_other_words_for_the_same(first: bytes, second: bytes) -> None:
    assert says_the_same(first, second)
    assert says_the_same(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"CHECK (a = 'x')", b"CHECK (a = 'y')"),
        (b"CHECK (a = 'x')", b"CHECK (a = 'X')"),
        (b"CHECK (a = 'x y')", b"CHECK (a = 'xy')"),
        (b"CHECK (a = 'x')", b"CHECK (a = ' x')"),
        (b"CHECK (a = '(x)')", b"CHECK (a = 'x')"),
        (b"CHECK (a = 'it''s')", b"CHECK (a = 'its')"),
        (b"CHECK (a = 'p::one')", b"CHECK (a = 'p::two')"),
        (b"CHECK (a = 'std::text')", b"CHECK (a = 'std')"),
        (b'CHECK ("p::one" > 0)', b'CHECK ("p::two" > 0)'),
        (b"CHECK (a < 1)", b"CHECK (a <= 1)"),
        (b"CHECK (a < 1)", b"CHECK (a > 1)"),
        (b"CHECK (a < 1)", b"CHECK (a < 2)"),
        (b"CHECK (a < 1)", b"CHECK (b < 1)"),
        (b'CHECK ("a" < 1)', b'CHECK ("A" < 1)'),
        (b'CHECK ("a b" < 1)', b'CHECK ("ab" < 1)'),
        (b"CHECK (a AND b)", b"CHECK (a OR b)"),
        (b"CHECK (a)", b"CHECK (NOT a)"),
        (b"a integer NOT NULL", b"a integer"),
        (b"USING (tenant_id = x)", b"USING (true)"),
        (b"a integer, b integer", b"a integer"),
    ],
)
def test_what_must_never_be_called_the_same(first: bytes, second: bytes) -> None:
    assert not says_the_same(first, second)
    assert not says_the_same(second, first)


def _described(*entries: TocEntry, rows: dict[int, bytes] | None = None) -> Description:
    blocks = [craft.data_block(i, data + COPY_TERMINATOR) for i, data in (rows or {}).items()]
    return describe(io.BytesIO(craft.archive(entries, *blocks)))


TABLE = craft.entry(1, b"TABLE", b"t")
DATA = craft.table_data(2, b"t", definition=b"")
POLICY = craft.entry(3, b"POLICY", b"t tenant_isolation")
FULL = _described(TABLE, DATA, POLICY, rows={2: b"1\n2\n"})


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (_described(TABLE, DATA, POLICY, rows={2: b"1\n2\n"}), []),
        (_described(POLICY, DATA, TABLE, rows={2: b"1\n2\n"}), []),
        (
            _described(TABLE, DATA, rows={2: b"1\n2\n"}),
            ["POLICY tenant_a.t tenant_isolation: missing"],
        ),
        (
            _described(TABLE, DATA, POLICY, craft.entry(4, b"VIEW", b"v"), rows={2: b"1\n2\n"}),
            ["VIEW tenant_a.v: unexpected"],
        ),
        (
            _described(
                craft.entry(1, b"TABLE", b"t", definition=b"other"),
                DATA,
                POLICY,
                rows={2: b"1\n2\n"},
            ),
            ["TABLE tenant_a.t: changed (definition)"],
        ),
        (
            _described(
                craft.entry(1, b"TABLE", b"t", owner=b"thief"), DATA, POLICY, rows={2: b"1\n2\n"}
            ),
            ["TABLE tenant_a.t: changed (owner agentarmy_owner -> thief)"],
        ),
        (
            _described(TABLE, DATA, POLICY, rows={2: b"1\n3\n"}),
            ["data of tenant_a.t: changed (2 rows, other content)"],
        ),
        (
            _described(TABLE, DATA, POLICY, rows={2: b"1\n"}),
            ["data of tenant_a.t: changed (rows 2 -> 1)"],
        ),
        (
            _described(
                TABLE,
                craft.entry(
                    2,
                    b"TABLE DATA",
                    b"t",
                    has_dumper=1,
                    definition=b"",
                    copy_statement=b"COPY other",
                ),
                POLICY,
                rows={2: b"1\n2\n"},
            ),
            ["TABLE DATA tenant_a.t: changed (definition)"],
        ),
        (
            _described(TABLE, POLICY),
            ["TABLE DATA tenant_a.t: missing", "data of tenant_a.t: missing"],
        ),
    ],
)
def test_what_differs_is_named(actual: Description, expected: list[str]) -> None:
    found = differences(FULL.fingerprint, actual.fingerprint)
    assert [str(difference) for difference in found] == expected
    assert (FULL.fingerprint.sha256 == actual.fingerprint.sha256) is not bool(expected)


def test_a_difference_of_something_in_no_schema_has_no_namespace() -> None:
    extension = craft.entry(9, b"EXTENSION", b"vector", namespace=None)
    (found,) = differences(_described(extension).fingerprint, _described().fingerprint)
    assert found == Difference(kind=DifferenceKind.MISSING, what="EXTENSION vector")


def test_one_of_several_grants_of_the_same_name_is_not_lost() -> None:
    grants = [craft.entry(i, b"ACL", b"TABLE t", definition=f"GRANT {i};".encode()) for i in (1, 2)]
    (found,) = differences(_described(*grants).fingerprint, _described(grants[0]).fingerprint)
    assert str(found) == "ACL tenant_a.TABLE t: missing"


def test_the_database_itself_is_not_compared() -> None:
    of_one = [
        craft.entry(1, b"DATABASE", b"one", namespace=None),
        craft.entry(2, b"ACL", b"DATABASE one", namespace=None),
        craft.entry(3, b"DATABASE PROPERTIES", b"one", namespace=None),
        TABLE,
    ]
    assert _described(*of_one).fingerprint == _described(TABLE).fingerprint
    assert _described(*of_one).owners == {"agentarmy_owner"}


def _check(dump_id: int, definition: bytes) -> TocEntry:
    return craft.entry(dump_id, b"CHECK CONSTRAINT", b"c", definition=definition)


def test_a_reprint_is_found_where_only_words_differ() -> None:
    again = _described(_check(1, b"CHECK ((x)::text)"), DATA, rows={2: b"1\n"})
    reprint = find_reprint(_described(_check(1, b"CHECK x"), DATA, rows={2: b"1\n"}), again)
    assert reprint is not None
    assert reprint.definitions == ("CHECK CONSTRAINT tenant_a c",)
    assert reprint.copies == {}


def test_a_reprint_names_the_tables_whose_columns_come_in_another_order() -> None:
    def with_columns(columns: bytes, rows: bytes) -> Description:
        copy = b"COPY tenant_a.t (" + columns + b") FROM stdin;\n"
        return _described(
            craft.entry(2, b"TABLE DATA", b"t", has_dumper=1, copy_statement=copy), rows={2: rows}
        )

    reprint = find_reprint(with_columns(b"a, b", b"1\t2\n"), with_columns(b"b, a", b"2\t1\n"))
    assert reprint is not None
    assert reprint.copies == {("tenant_a", "t"): b"COPY tenant_a.t (a, b) FROM stdin;\n"}
    # Not when the number of rows, or the names of columns, differ.
    more = with_columns(b"b, a", b"2\t1\n2\t1\n")
    assert find_reprint(with_columns(b"a, b", b"1\t2\n"), more) is None
    renamed = with_columns(b"b, c", b"2\t1\n")
    assert find_reprint(with_columns(b"a, b", b"1\t2\n"), renamed) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda: _described(_check(1, b"CHECK y"), DATA, rows={2: b"1\n"}),
        lambda: _described(_check(1, b"CHECK ((x)::text)"), DATA, rows={2: b"2\n"}),
        lambda: _described(_check(1, b"CHECK x"), DATA, POLICY, rows={2: b"1\n"}),
        lambda: _described(DATA, rows={2: b"1\n"}),
        lambda: _described(
            craft.entry(1, b"CHECK CONSTRAINT", b"c", definition=b"CHECK x", owner=b"thief"),
            DATA,
            rows={2: b"1\n"},
        ),
    ],
)
def test_no_reprint_explains_another_object_owner_or_row(
    change: Callable[[], Description],
) -> None:
    first = _described(_check(1, b"CHECK x"), DATA, rows={2: b"1\n"})
    assert find_reprint(first, change()) is None
