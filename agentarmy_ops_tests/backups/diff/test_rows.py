import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentarmy_ops.backups.diff.rows import picker, split_rows, values


@given(st.lists(st.binary(max_size=4)), st.data())
def test_rows_are_the_same_however_the_pieces_are_cut(
    rows: list[bytes], data: st.DataObject
) -> None:
    rows = [row.replace(b"\n", b"") for row in rows]
    whole = b"".join(row + b"\n" for row in rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    ends = zip([0, *cuts], [*cuts, len(whole)], strict=True)
    assert list(split_rows(memoryview(whole)[a:b] for a, b in ends)) == rows


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (b"abc", b"1\t\t3"),
        (b"ab", b"1\t"),
        (b"ca", b"3\t1"),
        (b"c", b"3"),
        (b"b", b""),
        (b"a", b"1"),
        (b"", b""),
    ],
    ids=str,
)
def test_columns_are_picked_in_the_order_asked_for(wanted: bytes, expected: bytes) -> None:
    pick = picker([b"a", b"b", b"c"], [bytes([name]) for name in wanted])
    assert pick(b"1\t\t3") == expected


def test_values_are_read_as_copy_reads_them() -> None:
    everything = rb"\b\f\n\r\t\v\\" + b"\t" + "é".encode() + b"\t"
    assert values(everything) == ["\b\f\n\r\t\v\\", "é", ""]
    assert re.fullmatch(r"a\\xffb", values(b"a\xffb")[0])
