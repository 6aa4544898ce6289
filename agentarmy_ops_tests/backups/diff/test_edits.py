"""Random edits of tables with and without a key: exactly they are reported."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentarmy_ops.backups.diff.report import TableDiff
from agentarmy_ops.backups.diff.tenant import diff_tenant
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops_tests.fix_backups import Lab

Key = tuple[int, str]
Table = dict[Key, tuple[str | None, int | None]]

_NASTY = ["", "\\", "\t", "\n", "\\N", "a\tb", "\\t", "x\\\n", "\r\n", "\\.", "é", "'", "N"]
_texts = st.sampled_from([*_NASTY, None])
_numbers = st.sampled_from([None, -1, 0, 1])
_BEGINNING: Table = {
    (n, text): (_NASTY[n % len(_NASTY)] if n % 5 else None, n % 3 or None)
    for n in range(20)
    for text in _NASTY
}
_keys = st.tuples(st.integers(0, 24), st.sampled_from(_NASTY))
_edits = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _keys, st.tuples(_texts, _numbers)),
        st.tuples(st.just("delete"), _keys, st.just((None, None))),
    ),
    max_size=30,
)


@dataclass(frozen=True)
class Edited:
    lab: Lab
    manifest: Manifest

    def write(self, table: Table) -> None:
        """Make the live tables hold what ``table`` does, with as little change as that takes."""
        with self.lab.database.connect() as connection:
            connection.execute("SET search_path TO tenant_edited")
            connection.execute("TRUNCATE keyed, bag")
            rows = [(*key, *values) for key, values in table.items()]
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO keyed VALUES (%s, %s, %s, %s)", rows)
                cursor.executemany("INSERT INTO bag VALUES (%s, %s)", [row[2:] for row in rows])

    def edit(self, before: Table, after: Table) -> None:
        """Write what differs, a statement for each row."""
        with self.lab.database.connect() as connection:
            connection.execute("SET search_path TO tenant_edited")
            for key in before.keys() - after.keys():
                connection.execute("DELETE FROM keyed WHERE (n, t) = (%s, %s)", key)
            for key, (text, number) in after.items():
                if key not in before:
                    values = (*key, text, number)
                    connection.execute("INSERT INTO keyed VALUES (%s, %s, %s, %s)", values)
                elif before[key] != (text, number):
                    statement = "UPDATE keyed SET v = %s, m = %s WHERE (n, t) = (%s, %s)"
                    connection.execute(statement, (text, number, *key))
            connection.execute("TRUNCATE bag")
            connection.execute("INSERT INTO bag SELECT v, m FROM keyed")


@pytest.fixture(scope="module")
def edited(hard_labs: Callable[[int], Lab]) -> Edited:
    lab = hard_labs(16)
    lab.register("edited")
    lab.run(
        "CREATE SCHEMA tenant_edited;"
        "CREATE TABLE tenant_edited.keyed"
        ' (n int, t text COLLATE "C", v text, m int, PRIMARY KEY (t, n));'
        "CREATE TABLE tenant_edited.bag (v text, m int)"
    )
    edited = Edited(lab, lab.back_up("edited"))
    edited.write(_BEGINNING)
    return Edited(lab, lab.back_up("edited"))


def _after(edits: list[tuple[str, Key, tuple[str | None, int | None]]]) -> Table:
    table = dict(_BEGINNING)
    for what, key, values in edits:
        if what == "put":
            table[key] = values
        else:
            table.pop(key, None)
    return table


def _shown(keys: set[Key]) -> list[dict[str, str]]:
    return sorted(({"t": t, "n": str(n)} for n, t in keys), key=repr)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_edits)
def test_exactly_the_edits_are_reported(
    edited: Edited, edits: list[tuple[str, Key, tuple[str | None, int | None]]]
) -> None:
    before, after = _BEGINNING, _after(edits)
    edited.write(before)
    edited.edit(before, after)
    found = diff_tenant(edited.lab.source(), edited.lab.store, edited.manifest, examples=1000)
    assert (found.definitions, found.sequences) == ((), ())
    tables: dict[str, TableDiff] = {table.table: table for table in found.tables}

    added, removed = after.keys() - before.keys(), before.keys() - after.keys()
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert ("keyed" in tables) == bool(added or removed or changed)
    if keyed := tables.get("keyed"):
        assert (keyed.backup_rows, keyed.live_rows) == (len(before), len(after))
        assert (keyed.added, keyed.removed, keyed.changed) == tuple(
            map(len, (added, removed, changed))
        )
        examples = keyed.examples
        assert sorted(examples.added, key=repr) == _shown(added)
        assert sorted(examples.removed, key=repr) == _shown(removed)
        assert sorted(examples.changed, key=repr) == _shown(changed)

    old, new = Counter(before.values()), Counter(after.values())
    bag = tables.get("bag")
    assert (
        (bag.added, bag.removed) == ((new - old).total(), (old - new).total())
        if bag
        else (old == new)
    )
