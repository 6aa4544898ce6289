"""Commands over a store in a bucket."""

import subprocess
from collections.abc import Callable

import pytest

from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_gcs import Gcs
from agentarmy_ops_tests.fix_tenants import Provision

Environment = Callable[..., None]


@pytest.fixture
def bucket(environment: Environment, gcs: Gcs) -> Gcs:
    """The bucket of ``BACKUP_STORE_URL``."""
    environment(BACKUP_STORE_URL=gcs.url)
    return gcs


def doctor_says(cli: Cli) -> list[tuple[str, str, str]]:
    """Level, message and advice of what doctor found about the store."""
    findings = cli("doctor", "--json").json["findings"]
    return [
        (f["level"], f["message"], f["advice"]) for f in findings if f["check"] == "backup-store"
    ]


def test_a_process_of_its_own_backs_up_and_lists(
    bucket: Gcs,
    start: Callable[..., "subprocess.Popen[str]"],
    cli: Cli,
    provision: Provision,
) -> None:
    provision("acme")
    with start("backup", "--all") as process:
        _, written = process.communicate(timeout=120)
    assert process.returncode == 0, written
    listed = cli("backups", "list", "acme", "--json").json
    assert listed["store"] == bucket.url
    assert [b["slug"] for b in listed["backups"]] == ["acme"]
    assert all(name.startswith("backups/") for name in bucket.content.objects)


def test_a_bucket_that_is_not_there_is_told_in_one_line(
    cli: Cli,
    environment: Environment,
    gcs: Gcs,
) -> None:
    environment(BACKUP_STORE_URL="gs://no-such-bucket/x")
    outcome = cli("backups", "list", "acme")
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1
    assert "gs://no-such-bucket/x" in outcome.stderr
    assert "the bucket does not exist; create it" in outcome.stderr


def test_doctor_looks_at_the_bucket(cli: Cli, bucket: Gcs) -> None:
    [(level, message, _)] = doctor_says(cli)
    assert (level, message) == ("ok", f"{bucket.url} can be listed, read and written to")
    assert not bucket.content.objects


def test_doctor_names_missing_permissions(cli: Cli, bucket: Gcs) -> None:
    bucket.content.permissions = ["storage.objects.list"]
    [(level, message, advice)] = doctor_says(cli)
    assert level == "warn"
    assert "does not grant storage.objects.create, storage.objects.get on" in message
    assert "docs/storage.md" in advice


def test_doctor_fails_where_the_bucket_is_missing(
    cli: Cli, environment: Environment, gcs: Gcs
) -> None:
    environment(BACKUP_STORE_URL="gs://no-such-bucket")
    [(level, message, advice)] = doctor_says(cli)
    assert level == "fail"
    assert "cannot list gs://no-such-bucket/: the bucket does not exist" in message
    assert "create it" in advice
