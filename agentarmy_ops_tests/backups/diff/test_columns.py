import io

import pytest

from agentarmy_ops.archive.toc import TableOfContents, read_toc
from agentarmy_ops.backups.diff.columns import Columns, columns_of, plain_name
from agentarmy_ops.errors import ArchiveError
from agentarmy_ops_tests.backups.damage import plain_archive
from agentarmy_ops_tests.fix_backups import Backups, Lab

ODD = '"a (b), ""c"". FROM stdin;"'


def _toc(backups: Backups, slug: str) -> TableOfContents:
    return read_toc(io.BytesIO(plain_archive(backups, slug)))[1]


def test_columns_and_keys_are_those_of_the_tables(lab: Lab) -> None:
    lab.run(
        f"CREATE TABLE {ODD} (plain int, {ODD} int, gone int,"
        ' x int GENERATED ALWAYS AS (1) STORED, "Select" int,'
        f' CONSTRAINT "PRIMARY KEY (x)" PRIMARY KEY ("Select", {ODD}) INCLUDE (plain));'
        f"ALTER TABLE {ODD} DROP gone;"
        "CREATE TABLE bare (); CREATE TABLE keyless (a int UNIQUE NOT NULL);"
        "CREATE TABLE parent (n int PRIMARY KEY) PARTITION BY RANGE (n);"
        "CREATE TABLE part PARTITION OF parent DEFAULT",
        "acme",
    )
    found = columns_of(_toc(Backups(lab, {"acme": lab.back_up("acme")}), "acme"))
    odd = ODD.encode()
    expected = {
        'a (b), "c". FROM stdin;': Columns(
            b"tenant_acme." + odd, (b"plain", odd, b'"Select"'), (b'"Select"', odd)
        ),
        "bare": Columns(b"tenant_acme.bare", (), ()),
        "keyless": Columns(b"tenant_acme.keyless", (b"a",), ()),
        "part": Columns(b"tenant_acme.part", (b"n",), (b"n",)),
    }
    assert {name: found[name] for name in found if name not in ("users", "notes")} == expected
    assert found["users"].key == (b"id",)
    assert plain_name(odd) == 'a (b), "c". FROM stdin;'
    assert plain_name(b"plain") == "plain"


def test_what_is_no_copy_statement_is_damage(good_backups: Backups) -> None:
    toc = _toc(good_backups, "acme")
    changed = []
    for entry in toc.entries:
        if entry.copy_statement:
            object.__setattr__(entry, "copy_statement", b"DROP TABLE x;")
        changed.append(entry)
    with pytest.raises(ArchiveError, match="no COPY statement of"):
        columns_of(toc.with_entries(changed))
