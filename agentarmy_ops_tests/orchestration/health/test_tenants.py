"""The tenants' sensor, over tenants with something broken, and mended again."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    SensorResult,
    SkipReason,
)

from agentarmy_ops.backups.restore.aside import put_aside
from agentarmy_ops.observability.health.problem import PLATFORM_ID, Check, Key
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.orchestration.health.sensors import tenant_health_sensor
from agentarmy_ops.orchestration.health.tenants import doubtful_slugs, examine_store
from agentarmy_ops.orchestration.outcomes import DATA_VERSION_TAG
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.registry import Tenant, read_tenants
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_sentry import Received
from agentarmy_ops_tests.fix_tenants import AppDatabase
from agentarmy_ops_tests.orchestration.health.conftest import NOW, Put, Watch, cause, text

STALE = timedelta(hours=27)
TARGETS = Targets(timedelta(hours=26), timedelta(days=8), 60)


@pytest.fixture
def watch(stack: Stack, put: Put) -> Watch:
    """Two tenants where all is well, looked at once."""
    for slug in stack.tenants("acme", "globex"):
        put(slug)
    watch = Watch(stack, tenant_health_sensor)
    assert watch.tick() == []
    return watch


def run(database: ConnInfo, *statements: str) -> None:
    with database.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def tenants(stack: Stack) -> dict[str, Tenant]:
    with stack.runtime.registry() as connection:
        return {tenant.slug: tenant for tenant in read_tenants(connection)}


def problem(check: str, slug: str = "acme") -> tuple[str, str, str]:
    return (slug, check, "problem")


def recovered(check: str, slug: str = "acme") -> tuple[str, str, str]:
    return (slug, check, "recovered")


def test_a_table_that_is_not_isolated_is_told_once_and_its_repair_too(
    watch: Watch, app_database: AppDatabase
) -> None:
    for damage, words in {
        "ALTER TABLE {} DISABLE ROW LEVEL SECURITY": "users lacks row-level security;",
        "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY": "users lacks forced row-level security;",
        "DROP POLICY tenant_isolation ON {}": "users lacks policy tenant_isolation;",
        "ALTER POLICY tenant_isolation ON {} USING (true)": "users lacks policy tenant_isolation;",
    }.items():
        run(app_database.owner, damage.format("tenant_acme.users"))
        (event,) = watch.events()
        assert (event.asset_key, event.partition) == (AssetKey("tenant"), "acme")
        assert f"tenant acme is not isolated: {words}" in cause(event)
        assert watch.tick() == []
        watch.stack.provision("acme")
        assert watch.tick() == [recovered("row-level-security")]
    assert watch.tick() == []


def test_schemas_and_tenants_that_are_not_the_same(watch: Watch, app_database: AppDatabase) -> None:
    run(app_database.owner, "ALTER SCHEMA tenant_acme RENAME TO elsewhere")
    run(app_database.owner, "CREATE SCHEMA tenant_stray", "CREATE SCHEMA tenantless")
    stray, missing = sorted(watch.events(), key=lambda event: event.partition or "")
    assert (missing.partition, missing.description) == ("acme", "missing-schema: problem")
    assert (stray.asset_key, stray.partition) == (AssetKey("platform_backup"), None)
    assert "no backup holds tenant_stray, for" in cause(stray)
    acme = tenants(watch.stack)["acme"]
    assert set(watch.memory.seen) == {
        Key(Check.MISSING_SCHEMA, str(acme.id)),
        Key(Check.UNREGISTERED_SCHEMA, PLATFORM_ID),
    }
    run(app_database.owner, "ALTER SCHEMA elsewhere RENAME TO tenant_acme")
    run(app_database.owner, "DROP SCHEMA tenant_stray")
    assert watch.tick() == [
        recovered("missing-schema"),
        recovered("unregistered-schema", "platform_backup"),
    ]
    with app_database.owner.connect() as connection:
        # As a restore does.
        put_aside(connection, "acme", why="before", replaced_by="x")
        connection.execute("CREATE SCHEMA tenant_acme")
    assert watch.tick() == []


def test_a_tenant_is_forgotten_when_it_is_gone_but_not_for_a_row_that_breaks_the_rule(
    watch: Watch, app_database: AppDatabase
) -> None:
    run(app_database.owner, "ALTER TABLE tenant_acme.users NO FORCE ROW LEVEL SECURITY")
    assert watch.tick() == [problem("row-level-security")]
    break_row = "UPDATE shared.tenants SET schema_name = 'x' WHERE slug = 'acme'"
    run(app_database.superuser, break_row)
    assert watch.tick() == []  # nor is tenant_acme without a tenant, for all one knows
    assert len(watch.memory.seen) == 1
    run(app_database.superuser, break_row.replace("'x'", "'tenant_acme'"))
    assert watch.tick() == []
    run(app_database.superuser, "DELETE FROM shared.tenants WHERE slug = 'acme'")
    result = watch.evaluate()
    assert isinstance(result, SensorResult)
    assert len(result.asset_events) == 1
    # Nor are people told that all is well with somebody who is gone.
    assert result.skip_reason
    assert result.skip_reason.skip_message == "1 new problems, 0 recovered, 1 present"
    assert [key.check for key in watch.memory.seen] == [Check.UNREGISTERED_SCHEMA]


def test_a_table_that_somebody_has_locked_leaves_isolation_as_it_was_known(
    watch: Watch, app_database: AppDatabase
) -> None:
    run(
        app_database.owner,
        "ALTER TABLE tenant_globex.users NO FORCE ROW LEVEL SECURITY",
        "ALTER POLICY tenant_isolation ON tenant_acme.agents USING (tenant_id ="
        " current_setting('app.current_tenant_id')::uuid)",  # like no other's
    )
    assert watch.tick() == [problem("row-level-security", "globex")]
    watch.forget_when()
    with app_database.owner.connect() as other:
        other.execute("LOCK TABLE tenant_acme.agents IN ACCESS EXCLUSIVE MODE")
        run(app_database.superuser, "ALTER SCHEMA tenant_globex RENAME TO elsewhere")
        assert watch.tick() == [problem("missing-schema", "globex")]
        assert watch.memory.checked_at == 1
    assert watch.tick() == [recovered("row-level-security", "globex")]
    assert watch.memory.checked_at != 1


def test_backups_that_are_stale_bad_or_long_unproven(watch: Watch, put: Put) -> None:
    store = watch.stack.runtime.home / "backups" / "tenants" / "acme"
    for manifest in store.glob("*/manifest.json"):
        manifest.unlink()
    long_ago = put("acme", timedelta(days=9))
    (overdue, stale) = sorted(watch.events(), key=lambda event: event.description or "")
    for event in (overdue, stale):
        assert text(event, "problems") == "overdue-verification, stale-backup"
    assert cause(stale) == (
        f"tenant acme: its newest backup, {long_ago.backup_id}, is 9 d old; 26 h are the target"
    )
    assert cause(overdue) == (
        f"tenant acme: its newest verified backup, {long_ago.backup_id}, is 9 d old; 8 d are the "
        "target"
    )
    put("acme", timedelta(days=7))
    (event,) = watch.events()
    assert event.description == "overdue-verification: recovered"
    assert "well again after" in cause(event)
    assert text(event, "problems") == "stale-backup"
    bad = put("acme", NOW, "failed")
    (event, again) = watch.events()
    assert again.description == "failed-verification: problem"
    assert bad.backup_id in cause(again)
    assert event.description == "stale-backup: recovered"
    put("acme", NOW, None)
    assert watch.tick() == []
    put("acme")
    (event,) = watch.events()
    assert event.description == "failed-verification: recovered"
    assert text(event, "problems") == "none"


def test_a_tenant_has_time_for_its_first_backup_and_its_first_proof(
    watch: Watch, app_database: AppDatabase, put: Put
) -> None:
    shutil.rmtree(watch.stack.runtime.home / "backups" / "tenants" / "acme")
    assert watch.tick() == []
    age = "UPDATE shared.tenants SET created_at = now() - interval '{}' WHERE slug = 'acme'"
    run(app_database.superuser, age.format("27 hours"))
    assert watch.tick() == [problem("stale-backup")]
    run(app_database.superuser, age.format("9 days"))
    (event,) = watch.events()
    assert "no backup of it was ever verified" in cause(event)
    put("acme")
    assert watch.tick() == [recovered("overdue-verification"), recovered("stale-backup")]


def test_the_backups_of_who_is_inactive_may_be_old(
    watch: Watch, app_database: AppDatabase, put: Put
) -> None:
    store = watch.stack.runtime.home / "backups" / "tenants"
    shutil.rmtree(store / "acme")
    put("acme", STALE)
    assert watch.tick() == [problem("stale-backup")]
    run(app_database.superuser, "UPDATE shared.tenants SET is_active = false WHERE slug = 'acme'")
    run(app_database.owner, "ALTER TABLE tenant_acme.users NO FORCE ROW LEVEL SECURITY")
    assert watch.tick() == [problem("row-level-security"), recovered("stale-backup")]


def test_the_store_is_asked_of_whom_dagsters_record_leaves_in_doubt(stack: Stack, put: Put) -> None:
    def doubtful() -> list[str]:
        now, known = datetime.now(UTC), list(tenants(stack).values())
        return sorted(doubtful_slugs(stack.instance, known, stack.runtime.store, TARGETS, now))

    def record(asset: str, slug: str, age: timedelta) -> None:
        version = put(slug, age).backup_id
        stack.instance.report_runless_asset_event(
            AssetMaterialization(asset, partition=slug, tags={DATA_VERSION_TAG: version})
        )

    slugs = stack.tenants("acme", "globex", "initech")
    assert doubtful() == slugs
    for slug in slugs:
        record("tenant_backup", slug, NOW)
        assert slug in doubtful()
        record("restore_verification", slug, timedelta(days=7))
    assert doubtful() == []
    record("tenant_backup", "acme", STALE)
    record("restore_verification", "globex", timedelta(days=9))
    stack.instance.report_runless_asset_event(
        AssetObservation("restore_verification", partition="initech")
    )
    assert doubtful() == slugs
    record("tenant_backup", "acme", NOW)
    record("restore_verification", "globex", NOW)
    record("restore_verification", "initech", NOW)
    assert doubtful() == []
    shutil.rmtree(stack.runtime.home / "backups" / "tenants" / "acme")
    assert doubtful() == ["acme"]


def test_of_whom_nothing_is_in_doubt_no_backup_is_listed(watch: Watch, put: Put) -> None:
    """Seen by what it does not see: a bad verdict that the command line gave."""
    for slug in ("acme", "globex"):
        for asset in ("tenant_backup", "restore_verification"):
            watch.stack.instance.report_runless_asset_event(
                AssetMaterialization(
                    asset, partition=slug, tags={DATA_VERSION_TAG: put(slug).backup_id}
                )
            )
    put("acme", NOW, "failed")
    put("globex", NOW, "failed")
    watch.stack.instance.report_runless_asset_event(
        AssetObservation("restore_verification", partition="globex")
    )
    assert watch.tick() == [problem("failed-verification", "globex")]


def test_a_real_night_and_its_verification_leave_nobody_in_doubt(stack: Stack) -> None:
    slugs = stack.tenants("acme", "globex")
    assert stack.run("backup_tenants", partitions=("acme", "globex")).success
    assert stack.run("verify_restores", partitions=("acme", "globex")).success
    known, now = list(tenants(stack).values()), datetime.now(UTC)
    assert [tenant.slug for tenant in known] == slugs
    assert doubtful_slugs(stack.instance, known, stack.runtime.store, TARGETS, now) == frozenset()
    archive = next((stack.runtime.home / "backups" / "tenants" / "acme").glob("*/archive*"))
    archive.write_bytes(b"-" * archive.stat().st_size)
    assert not stack.run("verify_restores", partitions=("acme", "globex")).success
    watch = Watch(stack, tenant_health_sensor)
    assert watch.tick() == [problem("failed-verification")]


def test_what_there_was_no_time_for_stays_as_it_was_known(stack: Stack, put: Put) -> None:
    slugs = ("acme", "globex", "initech")
    stack.tenants(*slugs)
    for slug in slugs:
        put(slug, STALE)
    known = tenants(stack)
    seen, after = [], None
    for _ in range(4):
        found = examine_store(
            [*known.values()],
            frozenset(slugs),
            stack.runtime.store,
            TARGETS,
            datetime.now(UTC),
            after=after,
            seconds=0,
        )
        seen.append([cause.split(":")[0] for cause in found.problems.values()])
        assert {tenant.slug for tenant in found.unseen} == set(slugs) - {str(found.left_at)}
        after = found.left_at
    assert seen == [["tenant acme"], ["tenant globex"], ["tenant initech"], ["tenant acme"]]
    whole = examine_store(
        [*known.values()],
        frozenset(slugs),
        stack.runtime.store,
        TARGETS,
        datetime.now(UTC),
        after="acme",
        seconds=60,
    )
    assert (whole.unseen, whole.left_at, len(whole.problems)) == ([], None, 3)


def test_a_database_that_is_away_changes_nothing(
    watch: Watch, app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(app_database.owner, "ALTER TABLE tenant_acme.users NO FORCE ROW LEVEL SECURITY")
    assert watch.tick() == [problem("row-level-security")]
    before = watch.cursor
    with monkeypatch.context() as broken:
        broken.setenv("BACKUP_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
        result = watch.evaluate()
        assert isinstance(result, SkipReason)
        assert "cannot connect to nobody@127.0.0.1:9/none" in str(result.skip_message)
    assert watch.cursor == before
    watch.stack.provision("acme")
    assert watch.tick() == [recovered("row-level-security")]


def test_a_store_that_is_away_leaves_backups_as_they_were_known(
    watch: Watch, put: Put, app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(watch.stack.runtime.home / "backups" / "tenants" / "acme")
    put("acme", STALE)
    assert watch.tick() == [problem("stale-backup")]
    watch.forget_when()
    with monkeypatch.context() as broken:
        broken.setenv("BACKUP_STORE_URL", "file:///etc/passwd")
        run(app_database.owner, "ALTER SCHEMA tenant_globex RENAME TO elsewhere")
        assert watch.tick() == [problem("missing-schema", "globex")]
        assert watch.memory.checked_at == 1
    assert {key.check for key in watch.memory.seen} == {Check.STALE_BACKUP, Check.MISSING_SCHEMA}
    put("acme")
    assert watch.tick() == [recovered("stale-backup")]


def test_with_a_cursor_that_is_not_whole_all_is_told_anew(
    watch: Watch, app_database: AppDatabase
) -> None:
    run(app_database.owner, "ALTER TABLE tenant_acme.users NO FORCE ROW LEVEL SECURITY")
    assert watch.tick() == [problem("row-level-security")]
    for damaged in ("left", str(watch.cursor)[:-3]):
        watch.cursor = damaged
        assert watch.tick() == [problem("row-level-security")]


def test_people_get_one_message_about_all_that_changed(
    watch: Watch, app_database: AppDatabase, webhook: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_URLS", f"json://{webhook.address}/hook")
    run(
        app_database.owner,
        "ALTER TABLE tenant_acme.users NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE tenant_globex.users NO FORCE ROW LEVEL SECURITY",
        "CREATE SCHEMA tenant_stray",
    )
    watch.tick()
    watch.tick()
    (message,) = map(json.loads, webhook.bodies)
    assert message["title"].endswith("3 health problems")
    assert message["type"] == "failure"
    assert len(message["message"].splitlines()) == 3
    assert "row-level-security: tenant globex is not isolated" in message["message"]
    watch.stack.provision("globex")
    watch.tick()
    (_, message) = map(json.loads, webhook.bodies)
    assert message["title"].endswith("1 recovered")
    assert message["type"] == "success"
    assert message["message"] == "recovered: row-level-security: globex"
