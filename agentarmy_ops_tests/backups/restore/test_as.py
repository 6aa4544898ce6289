"""A backup is restored as another tenant, in which nothing is left of the first one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from agentarmy_ops.archive.fingerprint import Fingerprint
from agentarmy_ops.backups.create import back_up_platform, back_up_tenants
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.restore.copy_as import another_tenant, restore_as
from agentarmy_ops.backups.restore.copy_tables import restore_tables
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import Choice, choose_backup
from agentarmy_ops.backups.restore.swap import RestoreResult
from agentarmy_ops.errors import ArchiveError, RestoreError, RestoreRefusedError
from agentarmy_ops.postgres.scratch import PREFIX
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from agentarmy_ops.tenants.registry import Tenant, read_tenant
from agentarmy_ops_tests.backups.restore.conftest import restorer
from agentarmy_ops_tests.fix_backups import Lab, NewLab
from agentarmy_ops_tests.given import scratch_databases

NAMES_OF_ACME = """
CREATE FUNCTION by_path() RETURNS bigint LANGUAGE sql SET search_path = tenant_acme
    AS 'SELECT count(*) FROM notes';
CREATE FUNCTION by_name() RETURNS bigint LANGUAGE plpgsql
    AS $$BEGIN RETURN (SELECT count(*) FROM Tenant_Acme.notes); END$$;
CREATE PROCEDURE tidy() LANGUAGE plpgsql
    AS $$BEGIN EXECUTE E'DELETE FROM\\ntenant_acme.notes'; END$$;
CREATE FUNCTION by_oid() RETURNS bigint LANGUAGE sql
    BEGIN ATOMIC SELECT count(*) FROM notes; END;
CREATE VIEW bodies AS SELECT body FROM notes;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM users;
CREATE FUNCTION not_acme() RETURNS text LANGUAGE sql AS 'SELECT $q$tenant_acme_2 my_tenant_acme$q$';
COMMENT ON TABLE notes IS 'lives in tenant_acme';
CREATE TABLE plain (id integer);
ALTER TABLE plain OWNER TO agentarmy_owner;
ALTER MATERIALIZED VIEW counted OWNER TO agentarmy_owner;
ALTER TABLE plain ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"""


def copied(
    lab: Lab, choice: Choice | None = None, *, slug: str = "acme-copy", **changes: Any
) -> RestoreResult:
    """acme's newest backup, restored as another slug."""
    chosen = choice or choose_backup(lab.store, "acme", force=True)
    options = {name: changes.pop(name) for name in ("mend_comments",) if name in changes}
    copy = another_tenant(
        chosen, slug, name="Copy", keep_tenant_id=changes.pop("keep_tenant_id", False)
    )
    return restore_as(restorer(lab, **changes), scratch(lab), chosen, copy, **options)


def scratch(lab: Lab) -> Any:
    return lab.verifier().scratch_for


def value(lab: Lab, query: str, tenant_id: object = None) -> Any:
    """What a query gives as the superuser, or as the owner working for a tenant."""
    database = lab.database.with_params(user=OWNER_ROLE) if tenant_id else lab.database
    with database.connect() as connection:
        if tenant_id:
            connection.execute(
                "SELECT set_config('app.current_tenant_id', %s, true)", [str(tenant_id)]
            )
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def kept(lab: Lab) -> Lab:
    """acme, backed up."""
    lab.back_up("acme")
    lab.back_up_platform()
    return lab


@pytest.fixture
def named(lab: Lab) -> Lab:
    """acme, whose functions, policies and comments have its names in their text; backed up."""
    acme = lab.tenants["acme"].id
    lab.run(NAMES_OF_ACME, "acme")
    lab.run(
        "CREATE POLICY tenant_isolation ON plain USING"
        f" (current_setting('app.current_tenant_id', true) = '{acme}')"
        " WITH CHECK (current_setting('app.current_tenant_id', true)::uuid ="
        f" '{acme.hex}'::text::uuid); INSERT INTO plain VALUES (7);"
        f" CREATE FUNCTION is_acme() RETURNS boolean LANGUAGE sql AS $$SELECT '{acme}' ="
        " current_setting('app.current_tenant_id')$$",
        "acme",
    )
    lab.back_up("acme")
    lab.back_up_platform()
    return lab


def copy_of(lab: Lab) -> Tenant:
    """The copy as it is registered; backed up and verified as any tenant from now on."""
    with lab.database.connect() as connection:
        tenant = lab.tenants["acme-copy"] = read_tenant(connection, "acme-copy")
    return tenant


def assert_nothing_of_a_copy(lab: Lab) -> None:
    assert value(lab, "SELECT count(*) FROM shared.tenants WHERE slug <> 'acme'") == 0
    assert value(lab, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^tenant_acme_'") == 0
    assert scratch_databases(lab.scratch_server) == []


def test_a_copy_has_every_row_under_its_own_id_and_the_tenant_is_untouched(kept: Lab) -> None:
    before = choose_backup(kept.store, "acme", force=True).manifest.fingerprint
    result = copied(kept)
    acme, copy = kept.tenants["acme"], copy_of(kept)
    assert (copy.name, copy.schema_name) == ("Copy", "tenant_acme_copy")
    assert copy.id != acme.id
    for table, columns in (("users", "id, email, plan"), ("notes", "id, author, body")):
        rows = f"SELECT array_agg(r ORDER BY r) FROM (SELECT {columns} FROM %s.{table}) AS r"
        assert value(kept, rows % "tenant_acme_copy", copy.id) == value(kept, rows % "tenant_acme")
    assert value(kept, "SELECT count(*) FROM tenant_acme_copy.notes", copy.id) == 400
    assert value(kept, "SELECT count(*) FROM tenant_acme_copy.notes", acme.id) == 0
    assert kept.back_up("acme").fingerprint == before
    assert (result.plan.slug, result.plan.registers, result.aside) == ("acme-copy", True, None)
    assert result.plan.warnings == ("the backup is not verified (never verified)",)
    assert scratch_databases(kept.scratch_server) == []

    with pytest.raises(RestoreRefusedError, match=r"is a row in shared\.tenants already"):
        copied(kept)
    kept.run("DELETE FROM shared.tenants WHERE slug = 'acme-copy'")
    with pytest.raises(RestoreRefusedError, match="there is a schema tenant_acme_copy already"):
        copied(kept)
    kept.run("DROP SCHEMA tenant_acme_copy CASCADE")
    kept.register("acme-copy")
    with pytest.raises(RestoreRefusedError, match=r"there is a row in shared\.tenants already"):
        copied(kept)


def test_what_is_text_is_mended_and_a_copy_is_backed_up_as_any_tenant(named: Lab) -> None:
    result = copied(named, database=named.database)
    copy = copy_of(named)
    definitions = (
        "SELECT string_agg(pg_get_functiondef(oid), '') FROM pg_proc"
        " WHERE pronamespace = 'tenant_acme_copy'::regnamespace"
    )
    text = value(named, definitions)
    assert "SET search_path TO 'tenant_acme_copy'" in text
    assert "FROM tenant_acme_copy.notes)" in text
    assert r"E'DELETE FROM\ntenant_acme_copy.notes'" in text
    assert "$q$tenant_acme_2 my_tenant_acme$q$" in text  # other words
    assert value(named, "SELECT tenant_acme_copy.is_acme()", copy.id) is True
    assert value(named, "SELECT tenant_acme_copy.by_oid()", copy.id) == 400
    assert value(named, "SELECT id FROM tenant_acme_copy.plain", copy.id) == 7
    insert = "INSERT INTO tenant_acme_copy.plain VALUES (8) RETURNING id"
    assert value(named, insert, copy.id) == 8
    assert value(named, "SELECT n FROM tenant_acme_copy.counted") == 20
    assert result.plan.warnings[1:] == ("the comment on TABLE notes still has the old name",)
    comment = "SELECT obj_description('tenant_acme_copy.notes'::regclass)"
    assert value(named, comment) == "lives in tenant_acme"

    (verdict,) = named.verify(named.back_up("acme-copy").ref)
    assert verdict.causes == ()


def test_comments_are_mended_when_asked(named: Lab) -> None:
    result = copied(named, mend_comments=True, database=named.database)
    assert result.plan.warnings == ("the backup is not verified (never verified)",)
    comment = "SELECT obj_description('tenant_acme_copy.notes'::regclass)"
    assert value(named, comment) == "lives in tenant_acme_copy"


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        (
            "ALTER TABLE notes ADD path text DEFAULT 'tenant_acme/notes'",
            r"tenant_acme or .* is in the text of TABLE notes, where it cannot be replaced",
        ),
        (
            "CREATE VIEW paths AS SELECT 'tenant_acme/' || id AS path FROM notes",
            "is in the text of VIEW paths",
        ),
        (
            "ALTER TABLE users ADD CHECK (tenant_id = '{id}')",
            "the id {id} of tenant acme is in the text of TABLE users",
        ),
    ],
)
def test_other_text_with_the_old_names_is_refused_by_name(
    lab: Lab, statement: str, refusal: str
) -> None:
    acme = lab.tenants["acme"].id
    lab.run(statement.format(id=acme), "acme")
    lab.back_up("acme")
    lab.back_up_platform()
    with pytest.raises(RestoreRefusedError, match=refusal.format(id=acme)) as refused:
        copied(lab, database=lab.database)
    assert "nothing was touched" in str(refused.value)
    assert_nothing_of_a_copy(lab)


def test_rows_refer_to_their_row_of_the_registry_and_no_trigger_acts_on_them(lab: Lab) -> None:
    lab.run(
        "ALTER TABLE users ADD FOREIGN KEY (tenant_id) REFERENCES shared.tenants;"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$BEGIN RAISE 'no'; END$$;"
        "CREATE TRIGGER no BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse();"
        "ALTER TABLE users ENABLE ALWAYS TRIGGER no;"
        "CREATE RULE nothing AS ON UPDATE TO notes DO INSTEAD NOTHING;"
        "ALTER TABLE notes ENABLE ALWAYS RULE nothing;"
        "CREATE DOMAIN its_id AS uuid; CREATE TABLE odd (tenant_id its_id, id integer, n text);"
        "CREATE TABLE even (tenant_id text);"
        "INSERT INTO odd SELECT id, 1, 'mine' FROM shared.tenants;"
        "INSERT INTO odd VALUES ('00000000-0000-0000-0000-000000000000', 2, 'not mine');"
        "INSERT INTO even SELECT id FROM shared.tenants;"
        "ALTER TABLE odd ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "ALTER TABLE even ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY tenant_isolation ON odd USING (true);"
        "CREATE POLICY tenant_isolation ON even USING (true)",
        "acme",
    )
    lab.run("ALTER TABLE shared.tenants OWNER TO agentarmy_owner")
    lab.back_up("acme")
    lab.back_up_platform()
    copied(lab, database=lab.database)
    copy = copy_of(lab)
    for table in ("users", "notes", "even"):
        query = f"SELECT array_agg(DISTINCT tenant_id::text) FROM tenant_acme_copy.{table}"
        assert value(lab, query) == [str(copy.id)]
    ids = "SELECT array_agg(tenant_id::uuid ORDER BY id) FROM tenant_acme_copy.odd"
    assert value(lab, ids) == [copy.id, UUID(int=0)]


def test_an_id_is_kept_in_another_database_only(kept: Lab, new_lab: NewLab) -> None:
    with pytest.raises(RestoreRefusedError, match="is that of tenant acme in this database"):
        copied(kept, keep_tenant_id=True)
    assert_nothing_of_a_copy(kept)
    other = replace(new_lab(), root=kept.root)
    copied(other, keep_tenant_id=True)
    assert copy_of(other).id == kept.tenants["acme"].id
    assert value(other, "SELECT count(*) FROM tenant_acme_copy.notes", copy_of(other).id) == 400


@pytest.mark.parametrize("step", [Step.SCRATCH, Step.CHECK_ROWS, Step.CHECK])
def test_a_failure_leaves_nothing(kept: Lab, step: Step) -> None:
    class FailureError(Exception):
        """Ours."""

    def fail(now: Step, _table: str) -> None:
        if now == step:
            raise FailureError

    with pytest.raises(FailureError):
        copied(kept, watch=fail)
    assert_nothing_of_a_copy(kept)


def test_a_server_that_ends_the_session_leaves_nothing(kept: Lab) -> None:
    def terminate(step: Step, _table: str) -> None:
        if step == Step.CONSTRAINTS:
            kept.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with pytest.raises(RestoreError, match="tenant acme-copy is as it was"):
        copied(kept, watch=terminate)
    assert_nothing_of_a_copy(kept)


def test_a_damaged_archive_is_refused_before_anything_is_done(kept: Lab) -> None:
    choice = choose_backup(kept.store, "acme", force=True)
    path = kept.root / choice.manifest.archive.object_name
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    steps: list[Step] = []
    with pytest.raises(RestoreRefusedError, match="is not the one that was written"):
        copied(kept, choice, watch=lambda step, _: steps.append(step))
    assert steps == [Step.READ]


def test_an_archive_that_changes_while_it_is_restored_is_noticed(kept: Lab) -> None:
    choice = choose_backup(kept.store, "acme", force=True)
    kept.run("UPDATE notes SET body = 'other' WHERE id = 1", "acme")
    other = kept.root / kept.back_up("acme").archive.object_name

    def exchange(step: Step, _table: str) -> None:
        if step == Step.SCRATCH:
            path = kept.root / choice.manifest.archive.object_name
            path.chmod(0o600)
            path.write_bytes(other.read_bytes())

    with pytest.raises(ArchiveError, match="is not what it was a moment ago"):
        copied(kept, choice, watch=exchange)
    assert_nothing_of_a_copy(kept)


def test_what_cannot_be_restored_is_named(lab: Lab) -> None:
    lab.run(
        "SET LOCAL ROLE agentarmy_owner; CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql"
        " AS 'BEGIN RETURN (SELECT count(*) FROM users); END';"
        "CREATE MATERIALIZED VIEW needs_path AS SELECT counted()",
        "acme",
    )
    lab.back_up("acme")
    lab.back_up_platform()
    with pytest.raises(RestoreError, match=r"MATERIALIZED VIEW tenant_acme\.needs_path"):
        copied(lab)
    assert_nothing_of_a_copy(lab)


def test_a_platform_part_that_is_bad_is_not_restored_upon(kept: Lab) -> None:
    path = kept.root / kept.back_up_platform().archive.object_name
    for one in path.parent.parent.glob("*/archive*"):
        one.chmod(0o600)
        one.write_bytes(one.read_bytes()[:-1])
    with pytest.raises(RestoreError, match=r"platform backup .* is bad"):
        copied(kept)
    assert_nothing_of_a_copy(kept)


def test_event_triggers_of_the_platform_part_do_not_act_in_the_scratch_database(lab: Lab) -> None:
    lab.run(
        "CREATE FUNCTION shared.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN"
        f" IF starts_with(current_database(), '{PREFIX}') THEN RAISE 'no'; END IF; END$$;"
        "CREATE EVENT TRIGGER refuse ON ddl_command_end EXECUTE FUNCTION shared.refuse()"
    )
    lab.back_up("acme")
    lab.back_up_platform()
    copied(lab)
    assert value(lab, "SELECT count(*) FROM tenant_acme_copy.notes", copy_of(lab).id) == 400


def test_a_reference_to_another_tenant_is_rolled_back(kept: Lab) -> None:
    kept.run(
        "CREATE FUNCTION shared.spy() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN"
        " CREATE VIEW tenant_acme_copy.spy AS SELECT FROM tenant_acme.users; END$$;"
        "CREATE EVENT TRIGGER spy ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA')"
        " EXECUTE FUNCTION shared.spy()"
    )
    with pytest.raises(RestoreError, match=r"would refer to table tenant_acme\.users"):
        copied(kept)
    assert_nothing_of_a_copy(kept)


def test_encrypted_backups_are_copied_and_their_tables_come_beside(
    lab: Lab, tmp_path: Path
) -> None:
    keys = Keys(LocalSecretsStore(tmp_path / "secrets"), encrypts=True)
    (outcome,) = back_up_tenants(lab.source(keys=keys), lab.store, [lab.tenants["acme"]])
    platform = back_up_platform(lab.source(keys=keys), lab.store)
    assert outcome.manifest
    assert outcome.manifest.archive.encryption
    assert platform.archive.encryption
    copied(lab, keys=keys)
    assert value(lab, "SELECT count(*) FROM tenant_acme_copy.notes", copy_of(lab).id) == 400
    choice = choose_backup(lab.store, "acme", force=True)
    result = restore_tables(restorer(lab, keys=keys), scratch(lab), choice, ["notes"])
    assert result.rows == {"notes": 400}


@pytest.mark.parametrize("major", [16, 18])
def test_a_tenant_with_nearly_everything_is_copied(
    hard_labs: Callable[[int], Lab], major: int
) -> None:
    lab = hard_labs(major)
    lab.add_hard_tenant("acme")
    original = lab.back_up("acme").fingerprint
    lab.back_up_platform()
    chosen = choose_backup(lab.store, "acme", force=True)
    copy = another_tenant(chosen, "acme-copy")
    restore_as(Restorer(lab.database, lab.store), scratch(lab), chosen, copy)
    copy_of(lab)
    again = lab.back_up("acme-copy")
    (verdict,) = lab.verify(again.ref)
    assert verdict.causes == ()
    assert _rows(again.fingerprint) == _rows(original)
    assert lab.back_up("acme").fingerprint == original


def _rows(fingerprint: Fingerprint) -> dict[str, int]:
    return {table.table: table.rows for table in fingerprint.tables}
