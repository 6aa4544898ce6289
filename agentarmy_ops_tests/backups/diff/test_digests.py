"""However many parts: what is counted is what differs."""

import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentarmy_ops.backups.diff import digests
from agentarmy_ops.backups.diff.digests import (
    Digester,
    DigestFile,
    Tally,
    compare_by_key,
    compare_whole,
    parts_for,
)
from agentarmy_ops.backups.diff.rows import picker
from agentarmy_ops.errors import OpsError

_key, _whole = picker([b"k", b"v"], [b"k"]), picker([b"k", b"v"], [b"k", b"v"])
_tables = st.dictionaries(st.integers(0, 40), st.integers(0, 2), max_size=40)


def _rows(table: dict[int, int]) -> list[bytes]:
    return [b"%d\t%d" % item for item in table.items()]


@given(_tables, _tables, st.integers(1, 5), st.sampled_from([0, 96, 1 << 20]))
def test_by_key(before: dict[int, int], after: dict[int, int], parts: int, buffer: int) -> None:
    digest, tally = Digester(), Tally.empty(100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "_BUFFER", buffer)
        with DigestFile(parts) as old, DigestFile(parts) as new:
            old.collect(_rows(before), digest, _key, _whole)
            new.collect(_rows(after), digest, _key, _whole)
            compare_by_key(old, new, parts, tally)
    added, removed = after.keys() - before.keys(), before.keys() - after.keys()
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    for found, keys in ((tally.added, added), (tally.removed, removed), (tally.changed, changed)):
        assert found.count == len(keys)
        assert found.keys == {digest(b"%d" % key) for key in keys}


_bags = st.lists(st.sampled_from([b"", b"a", b"b", b"a\tb", b"c"]))


@given(_bags, _bags, st.integers(1, 3), st.sampled_from([0, 96, 1 << 20]))
def test_whole_rows(before: list[bytes], after: list[bytes], parts: int, buffer: int) -> None:
    digest, tally = Digester(), Tally.empty(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "_BUFFER", buffer)
        with DigestFile(parts) as old, DigestFile(parts) as new:
            old.collect(before, digest, _whole, _whole)
            new.collect(after, digest, _whole, _whole)
            compare_whole(old, new, parts, tally)
    assert tally.added.count == (Counter(after) - Counter(before)).total()
    assert tally.removed.count == (Counter(before) - Counter(after)).total()
    assert (tally.changed.count, tally.added.keys, tally.removed.keys) == (0, set(), set())


def test_digests_mean_nothing_to_another_process() -> None:
    assert Digester()(b"admin@example.com") != Digester()(b"admin@example.com")


def test_memory_is_that_of_a_part_not_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_PART_ROWS", 2000)
    monkeypatch.setattr(digests, "_BUFFER", 32 * 50)
    rows, digest, tally = 50_000, Digester(), Tally.empty(5)
    parts = parts_for(rows)
    tracemalloc.start()
    try:
        with DigestFile(parts) as old, DigestFile(parts) as new:
            old.collect((b"%d\tx" % i for i in range(rows)), digest, _key, _whole)
            new.collect((b"%d\tx" % i for i in range(5, rows)), digest, _key, _whole)
            compare_by_key(old, new, parts, tally)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tally.added.count, tally.removed.count, tally.changed.count) == (0, 5, 0)
    assert peak < rows * 32  # what the digests of one side take; held as a dict, five times that


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_BUFFER", 0)
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - closed by DigestFile
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
    expected = r"rows cannot be compared in .*No space left"
    with DigestFile(1) as file, pytest.raises(OpsError, match=expected):
        file.collect([b"1\t1"], Digester(), _key, _whole)


def test_no_temporary_folder_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(OpsError, match="rows cannot be compared in"):
        DigestFile(1)
