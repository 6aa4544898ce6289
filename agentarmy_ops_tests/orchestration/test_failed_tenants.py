"""Tenants that really fail in real runs: what Sentry is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentarmy_ops.backups.catalog import latest_backup
from agentarmy_ops.observability.failures import flush
from agentarmy_ops.observability.sentry import start_sentry
from agentarmy_ops.settings import load_settings
from agentarmy_ops.tenants.registry import read_registry
from agentarmy_ops_tests.fix_dagster import Stack, failure_of
from agentarmy_ops_tests.fix_sentry import SentryServer
from agentarmy_ops_tests.fix_tenants import AppDatabase


@pytest.fixture
def sentry(
    stack: Stack, sentry_server: SentryServer, monkeypatch: pytest.MonkeyPatch
) -> SentryServer:
    """Sentry, started as a run's process starts it."""
    del stack
    monkeypatch.setenv("SENTRY_DSN", sentry_server.dsn)
    start_sentry(load_settings(), "dagster")
    return sentry_server


def drop_schema(database: AppDatabase, *slugs: str) -> None:
    with database.superuser.connect() as connection:
        for slug in slugs:
            connection.execute(f"DROP SCHEMA tenant_{slug} CASCADE")


def test_each_tenant_that_fails_is_one_event_and_the_run_none(
    stack: Stack, sentry: SentryServer, app_database: AppDatabase
) -> None:
    stack.tenants("acme", "globex", "initech")
    drop_schema(app_database, "acme", "globex")
    result = stack.run("backup_tenants", partitions=("acme", "initech"), assets=["tenant_backup"])
    assert not result.success
    # The run waits for it, before it fails.
    events = {event["tags"]["tenant_slug"]: event for event in sentry.events}
    assert len(sentry.events) == 2
    assert events.keys() == {"acme", "globex"}
    with stack.runtime.registry() as connection:
        ids = {row.slug: str(row.id) for row in read_registry(connection).tenants}
    for slug, event in events.items():
        assert event["tags"] == {
            "job": "backup_tenants",
            "run_id": result.run_id,
            "partition": slug,
            "asset": "tenant_backup",
            "tenant_id": ids[slug],
            "tenant_slug": slug,
            "service": "dagster",
        }
        (value,) = event["exception"]["values"]
        assert value["value"].startswith(f"tenant {slug} has no schema")
        assert value["stacktrace"]["frames"]
    # One cause, one issue.
    assert events["acme"]["fingerprint"] == events["globex"]["fingerprint"]
    assert events["acme"]["fingerprint"][0] == events["acme"]["exception"]["values"][0]["type"]


def test_a_bad_backup_is_an_event_named_for_its_verdict(stack: Stack, sentry: SentryServer) -> None:
    stack.tenants("acme", "globex")
    stack.run("backup_tenants", partition="acme")
    assert sentry.events == []
    name = latest_backup(stack.runtime.store, "acme").ref.encrypted_archive
    path = Path(stack.runtime.store.url.removeprefix("file://")) / name
    path.write_bytes(path.read_bytes()[:-1])
    assert not stack.run("verify_restores", partitions=("acme", "globex")).success
    by_slug = {event["tags"]["tenant_slug"]: event for event in sentry.events}
    assert len(sentry.events) == 2
    bad, missing = by_slug["acme"], by_slug["globex"]
    assert bad["exception"]["values"][0]["type"] == "VerdictFailed"
    assert bad["fingerprint"][0] == "VerdictFailed"
    assert bad["fingerprint"][1].startswith("failed: the stored archive is not the one")
    assert bad["tags"]["asset"] == "restore_verification"
    assert bad["tags"]["tenant_id"]
    assert missing["exception"]["values"][0]["type"] == "BackupNotFoundError"


def test_what_concerns_all_of_a_run_is_one_event_without_a_tenant(
    stack: Stack, sentry: SentryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.tenants("acme", "globex")
    monkeypatch.setenv("BACKUP_DATABASE_URL", "postgresql://u:hidden-word@127.0.0.1:9/none")
    assert not stack.run(
        "backup_tenants", partitions=("acme", "globex"), assets=["tenant_backup"]
    ).success
    (event,) = sentry.events
    assert event["tags"]["asset"] == "tenant_backup"
    assert "tenant_slug" not in event["tags"]
    assert event["exception"]["values"][-1]["value"].startswith("cannot connect to u@127.0.0.1:9")
    assert b"hidden-word" not in b"".join(sentry.bodies)


def test_runs_about_one_tenant_tell_whose_they_are(stack: Stack, sentry: SentryServer) -> None:
    stack.tenants("globex")
    config = {"config": {"tenant": "acme", "confirm": "globex"}}
    runs = [
        stack.run("restore_tenant", ops={"restore_one_tenant": config}),
        stack.run("offboard_tenant", ops={"offboard_one_tenant": config}),
        stack.run("prune_backups", ops={"prune": {"config": {"tenants": ["acme"]}}}),
        stack.run("provision_tenant", partition="acme"),  # needs an e-mail
    ]
    tags = [event["tags"] for event in sentry.events]
    assert [(each["run_id"], each["job"]) for each in tags] == [
        (run.run_id, run.job_def.name) for run in runs
    ]
    assert {(each["tenant_slug"], each["partition"]) for each in tags} == {("acme", "acme")}
    assert [each.get("asset") for each in tags] == [None, None, None, "tenant"]


def test_the_process_of_a_run_sends_what_it_has_to_say_before_it_ends(
    stack: Stack, sentry_server: SentryServer, app_database: AppDatabase
) -> None:
    stack.tenants("acme")
    drop_schema(app_database, "acme")
    command = [*f"{sys.executable} -m dagster job execute -m agentarmy_ops.definitions".split()]
    ran = subprocess.run(
        [*command, "-j", "backup_tenants", "--tags", '{"dagster/partition":"acme"}'],
        env={**os.environ, "SENTRY_DSN": sentry_server.dsn},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 1
    (event,) = sentry_server.events
    assert event["tags"]["tenant_slug"] == "acme"
    assert event["tags"]["service"] == "dagster"
    assert event["environment"] == "testing"
    assert "sentry" not in ran.stderr.lower()


def test_a_run_fails_in_the_same_way_while_sentry_is_down(
    stack: Stack, app_database: AppDatabase, sentry: SentryServer
) -> None:
    sentry.status = 503
    stack.tenants("acme", "globex")
    drop_schema(app_database, "acme")
    result = stack.run("backup_tenants", partitions=("acme", "globex"))
    assert "failed for 1 of 2 tenants: acme: tenant acme has no schema" in failure_of(result)
    flush()
    assert latest_backup(stack.runtime.store, "globex")
