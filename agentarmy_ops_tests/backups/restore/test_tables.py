"""Single tables of a backup, beside the tenant's own schema."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from agentarmy_ops.backups.restore.copy_tables import TablesResult, restore_tables
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.backups.restore.undo import drop_kept, list_kept, undo_restore
from agentarmy_ops.errors import RestoreRefusedError
from agentarmy_ops_tests.backups.restore.conftest import restorer
from agentarmy_ops_tests.fix_backups import Lab


def beside(lab: Lab, tables: Sequence[str], **changes: Any) -> TablesResult:
    choice = choose_backup(lab.store, "acme", force=True)
    return restore_tables(restorer(lab, **changes), lab.verifier().scratch_for, choice, tables)


def kinds(lab: Lab, schema: str) -> dict[str, str]:
    query = "SELECT relname, relkind FROM pg_class WHERE relnamespace = %s::text::regnamespace"
    with lab.database.connect() as connection:
        return dict(connection.execute(query, [f'"{schema}"']).fetchall())


def test_a_table_comes_beside_and_the_tenant_is_untouched(
    proven_lab: Lab, rows: Callable[[str], int]
) -> None:
    before = choose_backup(proven_lab.store, "acme").manifest.fingerprint
    proven_lab.run("DELETE FROM notes WHERE id <= 100", "acme")
    result = beside(proven_lab, ["notes"])
    schema = f'"{result.beside.schema}"'
    assert result.rows == {"notes": 400}
    assert result.beside.schema.startswith("tenant_acme__tables_")
    assert rows(f"{schema}.notes") == 400
    assert rows("tenant_acme.notes") == 300
    assert kinds(proven_lab, result.beside.schema) == {
        "notes": "r",
        "notes_id_seq": "S",
        "notes_pkey": "i",
    }
    proven_lab.run(
        f"INSERT INTO tenant_acme.notes SELECT * FROM {schema}.notes ON CONFLICT DO NOTHING"
    )
    assert rows("tenant_acme.notes") == 400
    assert proven_lab.back_up("acme").fingerprint.entries == before.entries


def test_it_is_isolated_as_the_tenant_is(proven_lab: Lab) -> None:
    result = beside(proven_lab, ["users"])
    count = f'SELECT count(*) FROM "{result.beside.schema}".users'.encode()
    owner = restorer(proven_lab).database
    with owner.connect() as connection:
        assert connection.execute(count).fetchone() == (0,)
        setting = "SELECT set_config('app.current_tenant_id', %s, false)"
        connection.execute(setting, [str(proven_lab.tenants["acme"].id)])
        assert connection.execute(count).fetchone() == (20,)


def test_it_is_listed_and_dropped_and_never_brought_back_by_undo(proven_lab: Lab) -> None:
    result = beside(proven_lab, ["notes", "users"])
    assert result.rows == {"notes": 400, "users": 20}
    assert list_kept(restorer(proven_lab), "acme") == [result.beside]
    with pytest.raises(RestoreRefusedError, match="has no schema aside"):
        undo_restore(restorer(proven_lab), "acme")
    assert drop_kept(restorer(proven_lab), "acme") == [result.beside]


def test_an_unknown_table_is_refused_by_name(proven_lab: Lab) -> None:
    told: list[Step] = []
    with pytest.raises(
        RestoreRefusedError, match=r"has no table nothing \(.*\); it has notes, users$"
    ):
        beside(proven_lab, ["notes", "nothing"], watch=lambda step, _: told.append(step))
    assert told == [Step.READ]


def test_what_depends_on_the_tenant_is_not_in_the_way(proven_lab: Lab) -> None:
    proven_lab.run("CREATE VIEW shared.v AS SELECT * FROM tenant_acme.notes")
    assert beside(proven_lab, ["notes"]).rows == {"notes": 400}


PARTITIONED = """
SET LOCAL ROLE agentarmy_owner;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE FUNCTION is_fine(mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TABLE events (id bigint, at date NOT NULL, mood mood CHECK (is_fine(mood)),
    tenant_id uuid NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE marked (mark text) INHERITS (notes);
INSERT INTO events SELECT i, '2026-01-15'::date + i % 2 * 31, 'glad',
    current_setting('app.current_tenant_id')::uuid FROM generate_series(1, 10) AS i;
INSERT INTO marked SELECT 1000 + i, 1, 'x', current_setting('app.current_tenant_id')::uuid, 'm'
    FROM generate_series(1, 3) AS i;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON events FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE VIEW glad AS SELECT * FROM events WHERE mood = 'glad';
CREATE MATERIALIZED VIEW many AS SELECT count(*) AS n FROM notes;
"""


@pytest.fixture
def partitioned(proven_lab: Lab) -> Lab:
    tenant = proven_lab.tenants["acme"].id
    proven_lab.run(
        f"SELECT set_config('app.current_tenant_id', '{tenant}', true);" + PARTITIONED, "acme"
    )
    isolate = ";".join(
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY tenant_isolation ON {name}"
        " USING (tenant_id = current_setting('app.current_tenant_id', true)::uuid)"
        for name in ("events", "events_1", "events_2", "marked")
    )
    proven_lab.run(isolate, "acme")
    proven_lab.back_up("acme")
    return proven_lab


def test_a_parent_brings_its_partitions_and_what_they_need(partitioned: Lab) -> None:
    result = beside(partitioned, ["events"])
    assert result.rows == {"events_1": 5, "events_2": 5}
    there = kinds(partitioned, result.beside.schema)
    assert {name for name, kind in there.items() if kind in "rpvm"} == {
        "events",
        "events_1",
        "events_2",
    }


def test_a_parent_comes_without_the_children_that_inherit_from_it(partitioned: Lab) -> None:
    assert beside(partitioned, ["notes"]).rows == {"notes": 400}


def test_a_partition_and_a_child_can_be_had_alone(partitioned: Lab) -> None:
    result = beside(partitioned, ["events_2", "marked"])
    assert result.rows == {"events_2": 5, "marked": 3}
    there = kinds(partitioned, result.beside.schema)
    assert {name for name, kind in there.items() if kind in "rpvm"} == {"events_2", "marked"}


TIED = """
SET LOCAL ROLE agentarmy_owner;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$;
CREATE TRIGGER refuse BEFORE DELETE ON notes FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE RULE nothing AS ON DELETE TO notes DO INSTEAD DELETE FROM users;
COMMENT ON TRIGGER refuse ON notes IS 'on a trigger';
COMMENT ON RULE nothing ON notes IS 'on a rule';
COMMENT ON CONSTRAINT notes_author_fkey ON notes IS 'on a foreign key';
CREATE FUNCTION has_users(bigint) RETURNS boolean LANGUAGE sql
    BEGIN ATOMIC SELECT $1 IS NOT NULL OR EXISTS (SELECT FROM users); END;
ALTER TABLE notes ADD CHECK (has_users(id));
CREATE TABLE unneeded (id integer, tenant_id uuid);
CREATE TABLE readers (tenant_id uuid);
CREATE POLICY readers ON notes AS RESTRICTIVE TO PUBLIC USING (EXISTS (SELECT FROM readers));
CREATE TABLE typed (written_by users, tenant_id uuid NOT NULL);
"""


def test_what_ties_a_table_to_others_is_left_out_with_its_comments(proven_lab: Lab) -> None:
    add_tied(proven_lab)
    result = beside(proven_lab, ["notes"])
    schema = result.beside.schema
    assert result.rows == {"notes": 400}
    for catalogue, table in (("pg_trigger", "tgrelid"), ("pg_rewrite", "ev_class")):
        assert count(proven_lab, f"{catalogue} WHERE {table} = '\"{schema}\".notes'::regclass") == 0
    constraints = f"pg_constraint WHERE conrelid = '\"{schema}\".notes'::regclass AND contype = "
    assert count(proven_lab, f"{constraints}'f'") == 0
    assert count(proven_lab, f"{constraints}'c'") == 1  # with the table that its function reads
    # No policy goes, or rows would be shown that were not: it has the table it reads.
    assert (
        count(proven_lab, f"pg_policies WHERE schemaname = '{schema}' AND tablename = 'notes'") == 2
    )
    assert tables(proven_lab, schema) == {"notes", "users", "readers"}
    assert count(proven_lab, f'"{schema}".users') == 0


def test_no_column_is_lost_with_a_table_that_is_left_out(proven_lab: Lab) -> None:
    add_tied(proven_lab)
    result = beside(proven_lab, ["typed"])
    assert result.rows == {"typed": 20}
    assert tables(proven_lab, result.beside.schema) == {"typed", "users"}
    typed = f'"{result.beside.schema}".typed'
    assert count(proven_lab, f"{typed} WHERE (written_by).email LIKE '%@example.com'") == 20


def add_tied(lab: Lab) -> None:
    """Give acme tables that hang on others, and back it up."""
    lab.run(TIED, "acme")
    for table in ("unneeded", "readers", "typed"):
        lab.run(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            f"CREATE POLICY tenant_isolation ON {table}"
            " USING (tenant_id = current_setting('app.current_tenant_id', true)::uuid)",
            "acme",
        )
    lab.run("INSERT INTO typed SELECT u, u.tenant_id FROM users AS u", "acme")
    lab.back_up("acme")


def count(lab: Lab, table: str) -> int:
    with lab.database.connect() as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def tables(lab: Lab, schema: str) -> set[str]:
    return {name for name, kind in kinds(lab, schema).items() if kind in "rpvmf"}


def test_all_tables_of_a_tenant_with_nearly_everything(hard_labs: Callable[[int], Lab]) -> None:
    lab = hard_labs(16)
    lab.add_hard_tenant("acme")
    backed_up = lab.back_up("acme").fingerprint
    lab.back_up_platform()
    choice = choose_backup(lab.store, "acme", force=True)
    names = [table.table for table in backed_up.tables]
    restored = Restorer(lab.database, lab.store)
    result = restore_tables(restored, lab.verifier().scratch_for, choice, names)
    assert result.rows == {table.table: table.rows for table in backed_up.tables}
