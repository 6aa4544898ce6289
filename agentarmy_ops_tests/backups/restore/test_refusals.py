"""What speaks against a restore is said before anything is touched."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import Choice, choose_backup
from agentarmy_ops.backups.restore.swap import plan_restore, restore_tenant
from agentarmy_ops.errors import OpsError, RestoreError, RestoreRefusedError, TenantBusyError
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.backups.restore.conftest import restore, restorer
from agentarmy_ops_tests.fix_backups import Lab


def refusals(lab: Lab, choice: Choice | None = None) -> str:
    """What speaks against it, and that the restore itself says the same and touches nothing."""
    chosen = choice or choose_backup(lab.store, "acme")
    found = "; ".join(plan_restore(restorer(lab), chosen).refusals)
    told: list[Step] = []
    with pytest.raises(RestoreRefusedError) as caught:
        restore(lab, chosen, watch=lambda step, _: told.append(step))
    assert found
    assert str(caught.value).endswith(found)
    assert told == []
    return found


def test_a_plan_says_what_is_going_to_happen(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    plan = plan_restore(restorer(proven_lab), choice)
    assert (plan.slug, plan.schema, plan.backup_id) == (
        "acme",
        "tenant_acme",
        choice.manifest.backup_id,
    )
    assert (plan.rows, plan.tables, plan.verdict) == (420, 2, "verified")
    assert plan.replaces
    assert not plan.registers
    assert plan.proven_seconds
    assert (plan.warnings, plan.refusals) == ((), ())


def test_another_tenants_archive(proven_lab: Lab) -> None:
    proven_lab.run("UPDATE shared.tenants SET id = gen_random_uuid() WHERE slug = 'acme'")
    assert "the backup is of another tenant: its id is" in refusals(proven_lab)


def test_a_role_the_server_lacks(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    needs = choice.manifest.needs
    role = replace_role(needs.roles[0], "nobody_here")
    manifest = choice.manifest.model_copy(
        update={"needs": needs.model_copy(update={"roles": (*needs.roles, role)})}
    )
    found = refusals(proven_lab, replace(choice, manifest=manifest))
    assert found == "the server lacks role nobody_here; create it first"


def replace_role(role: object, name: str) -> object:
    return role.model_copy(update={"name": name})  # type: ignore[attr-defined]


def test_an_owner_we_cannot_make(proven_lab: Lab) -> None:
    proven_lab.run("ALTER TABLE notes OWNER TO postgres", "acme")
    proven_lab.verify(proven_lab.back_up("acme").ref)
    assert "role agentarmy_owner cannot make postgres the owner of anything" in refusals(proven_lab)


def test_an_extension_the_database_lacks(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    needs = choice.manifest.needs.model_copy(update={"extensions": ("vector",)})
    manifest = choice.manifest.model_copy(update={"needs": needs})
    found = refusals(proven_lab, replace(choice, manifest=manifest))
    assert "the database lacks extension vector" in found


def test_a_shared_table_the_database_lacks(proven_lab: Lab) -> None:
    proven_lab.run("DROP TABLE shared.plans CASCADE")
    assert "lacks what the tenant refers to: table shared.plans" in refusals(proven_lab)


def test_a_server_of_an_older_major(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    snapshot = choice.manifest.snapshot.model_copy(update={"server_version": "99.4"})
    manifest = choice.manifest.model_copy(update={"snapshot": snapshot})
    assert f"the backup is of PostgreSQL 99.4, the server is {proven_lab.tools.major}" in refusals(
        proven_lab, replace(choice, manifest=manifest)
    )


def test_a_database_in_another_encoding(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    snapshot = choice.manifest.snapshot.model_copy(update={"encoding": "LATIN1"})
    manifest = choice.manifest.model_copy(update={"snapshot": snapshot})
    assert "a database in LATIN1, this one is in UTF8" in refusals(
        proven_lab, replace(choice, manifest=manifest)
    )


def test_a_database_without_a_registry(proven_lab: Lab) -> None:
    proven_lab.run("DROP TABLE shared.tenants")
    assert "no shared.tenants; restore the platform part first" in refusals(proven_lab)


def test_a_role_that_may_not_create_schemas(proven_lab: Lab) -> None:
    database = proven_lab.database.params["dbname"]
    proven_lab.run(f"REVOKE CREATE ON DATABASE {database} FROM agentarmy_owner, PUBLIC")
    assert "role agentarmy_owner may not create schemas" in refusals(proven_lab)


def test_a_foreign_key_from_outside_even_with_force(proven_lab: Lab) -> None:
    proven_lab.run(
        "CREATE TABLE shared.favourites (note bigint CONSTRAINT fav REFERENCES tenant_acme.notes)"
    )
    assert "foreign key fav on shared.favourites outside of the schema" in refusals(proven_lab)
    with pytest.raises(RestoreRefusedError, match="foreign key fav"):
        restore_tenant(restorer(proven_lab), choose_backup(proven_lab.store, "acme"), force=True)


def test_a_view_from_outside_unless_forced(proven_lab: Lab, rows: Callable[[str], int]) -> None:
    proven_lab.run("CREATE VIEW shared.all_notes AS SELECT * FROM tenant_acme.notes")
    assert "shared.all_notes outside of the schema depends on it" in refusals(proven_lab)
    choice = choose_backup(proven_lab.store, "acme")
    result = restore_tenant(restorer(proven_lab), choice, force=True)
    assert any("shared.all_notes will go on with" in line for line in result.plan.warnings)
    proven_lab.run("DELETE FROM notes", "acme")
    assert rows("shared.all_notes") == 400  # of the schema aside


def test_what_comes_up_before_the_lock_is_held(proven_lab: Lab, rows: Callable[[str], int]) -> None:
    def depend(step: Step, _: str) -> None:
        if step is Step.LOCK:
            proven_lab.run("CREATE VIEW shared.all_notes AS SELECT * FROM tenant_acme.notes")

    proven_lab.run("DELETE FROM notes", "acme")
    with pytest.raises(RestoreRefusedError, match=r"shared\.all_notes"):
        restore(proven_lab, watch=depend)
    assert rows("tenant_acme.notes") == 0


def test_an_unverified_backup_is_warned_of(proven_lab: Lab) -> None:
    proven_lab.back_up("acme")
    choice = choose_backup(proven_lab.store, "acme", force=True)
    assert plan_restore(restorer(proven_lab), choice).warnings == (
        "the backup is not verified (never verified)",
    )


def test_a_long_restore_is_warned_of(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    assert choice.verdict is not None
    verdict = choice.verdict.model_copy(update={"restore_seconds": 3600.0})
    (warning,) = plan_restore(restorer(proven_lab), replace(choice, verdict=verdict)).warnings
    assert "one transaction of about 3600 s" in warning


def test_a_busy_tenant(proven_lab: Lab) -> None:
    with (
        proven_lab.database.connect(autocommit=True) as other,
        tenant_lock(other, "acme", timeout_seconds=1),
        pytest.raises(TenantBusyError),
    ):
        restore(proven_lab, lock_timeout_seconds=0.1)


def test_a_shared_table_that_is_locked_ends_the_restore_in_time(proven_lab: Lab) -> None:
    with proven_lab.database.connect() as other:
        other.execute("LOCK TABLE shared.plans IN ROW EXCLUSIVE MODE")
        with pytest.raises(RestoreError, match=r"is as it was.*lock timeout"):
            restore(proven_lab, lock_timeout_seconds=0.1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("NO FORCE ROW LEVEL SECURITY", "notes would not be isolated"),
        ("DISABLE ROW LEVEL SECURITY", "notes would not be isolated"),
        ("ENABLE ROW LEVEL SECURITY; DROP POLICY tenant_isolation ON notes", "would not be isol"),
    ],
)
def test_a_tenant_that_would_not_be_isolated_is_rolled_back(
    proven_lab: Lab, rows: Callable[[str], int], damage: str, message: str
) -> None:
    proven_lab.run(f"ALTER TABLE notes {damage}", "acme")
    proven_lab.back_up("acme")
    choice = choose_backup(proven_lab.store, "acme", force=True)
    proven_lab.run("DELETE FROM notes WHERE id > 1", "acme")
    with pytest.raises(RestoreError, match=message):
        restore_tenant(restorer(proven_lab), choice, force=True)
    assert rows("tenant_acme.notes") == 1


def test_other_isolation_than_the_manifests_is_rolled_back(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    security = choice.manifest.row_level_security
    other = security[0].model_copy(update={"policies": ("more", *security[0].policies)})
    manifest = choice.manifest.model_copy(update={"row_level_security": (other, *security[1:])})
    with pytest.raises(RestoreError, match="differs from what the manifest lists"):
        restore(proven_lab, replace(choice, manifest=manifest))


def test_a_constraint_that_is_not_valid_is_rolled_back(proven_lab: Lab) -> None:
    proven_lab.run("ALTER TABLE notes ADD CONSTRAINT short CHECK (body <> '') NOT VALID", "acme")
    proven_lab.verify(proven_lab.back_up("acme").ref)
    choice = choose_backup(proven_lab.store, "acme")
    manifest = choice.manifest.model_copy(update={"not_valid": ()})
    with pytest.raises(RestoreError, match="short on notes is not valid"):
        restore(proven_lab, replace(choice, manifest=manifest))
    restore(proven_lab, choice)  # as its manifest says, it is well


def test_a_registry_row_that_goes_meanwhile(proven_lab: Lab, rows: Callable[[str], int]) -> None:
    proven_lab.run("DELETE FROM notes", "acme")

    def remove(step: Step, _: str) -> None:
        if step is Step.CHECK:
            proven_lab.run("DELETE FROM shared.tenants WHERE slug = 'acme'")

    with pytest.raises(RestoreError, match=r"as it was.*its row of shared\.tenants was removed"):
        restore(proven_lab, watch=remove)
    assert rows("tenant_acme.notes") == 0


def test_rows_that_a_trigger_of_the_server_changes_are_noticed(
    proven_lab: Lab, rows: Callable[[str], int]
) -> None:
    """An event trigger may do anything while the tables are made; here it changes rows."""
    proven_lab.run(
        """
        CREATE FUNCTION shared.meddle() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN NEW.body := 'changed'; RETURN NEW; END $$;
        CREATE FUNCTION shared.attach() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF to_regclass('tenant_acme.notes') IS NOT NULL AND NOT EXISTS (
                SELECT FROM pg_trigger WHERE tgrelid = to_regclass('tenant_acme.notes')
                AND tgname = 'meddle'
            ) THEN
                CREATE TRIGGER meddle BEFORE INSERT ON tenant_acme.notes
                    FOR EACH ROW EXECUTE FUNCTION shared.meddle();
            END IF;
        END $$;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA shared TO PUBLIC;
        CREATE EVENT TRIGGER meddling ON ddl_command_end WHEN TAG IN ('ALTER TABLE')
            EXECUTE FUNCTION shared.attach();
        """
    )
    with pytest.raises(OpsError, match="table notes holds 400 rows with sha256"):
        restore(proven_lab)
    assert rows("tenant_acme.notes") == 400
