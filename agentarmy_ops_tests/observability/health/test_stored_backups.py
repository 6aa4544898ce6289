from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops.observability.health.problem import Check
from agentarmy_ops.observability.health.stored_backups import backup_problems
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.settings import Settings
from agentarmy_ops.stores.local import LocalStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TARGETS = Targets(timedelta(hours=26), timedelta(days=8), 60)
LONG_AGO = NOW - timedelta(days=99)
STALE, FAILED = Check.STALE_BACKUP, Check.FAILED_VERIFICATION
OVERDUE = Check.OVERDUE_VERIFICATION


def found(
    folder: Path, *backups: tuple[float, Sequence[str]], since: datetime = LONG_AGO
) -> dict[Check, str]:
    """Problems with backups of so many hours ago, each with its verdicts."""
    store = LocalStore(folder)
    for hours, verdicts in backups:
        ref = BackupRef("acme", new_id(NOW - timedelta(hours=hours)))
        names = [ref.archive, ref.manifest]
        names += [
            ref.verification(new_id(NOW + timedelta(minutes=number)), verdict)
            for number, verdict in enumerate(verdicts)
        ]
        for name in names:
            with store.create(name) as writer:
                writer.write(b"-")
    return dict(backup_problems(list_backups(store, "acme"), TARGETS, NOW, since))


@pytest.mark.parametrize(
    ("backups", "problems"),
    [
        ([(25.9, ["verified"])], set()),
        ([(26.1, ["verified"])], {STALE}),
        ([(50, []), (1, ["verified"])], set()),
        ([(8 * 24 + 1, ["verified"]), (1, [])], {OVERDUE}),
        ([(8 * 24 - 1, ["verified"]), (1, [])], set()),
        ([(1, [])], {OVERDUE}),
        ([(3, ["verified"]), (2, ["failed"])], {FAILED}),
        ([(3, ["verified"]), (2, ["failed"]), (1, [])], {FAILED}),
        ([(3, ["failed"]), (2, ["verified"]), (1, [])], set()),
        ([(1, ["failed", "verified"])], set()),
        ([(1, ["verified", "failed"])], {FAILED, OVERDUE}),
        ([], {STALE, OVERDUE}),
    ],
)
def test_what_is_wrong_with_backups(
    tmp_path: Path, backups: list[tuple[float, list[str]]], problems: set[Check]
) -> None:
    assert set(found(tmp_path, *backups)) == problems


def test_who_is_new_has_time(tmp_path: Path) -> None:
    assert found(tmp_path, since=NOW - timedelta(hours=25)) == {}
    assert found(tmp_path, since=NOW - timedelta(hours=27)) == {
        STALE: "no backup; 26 h are the target"
    }
    assert found(tmp_path, (1, []), since=NOW - timedelta(days=7)) == {}


def test_the_cause_names_the_backup_and_the_target(tmp_path: Path) -> None:
    causes = found(tmp_path, (9 * 24, ["verified"]), (8 * 24.0, ["failed"]))
    assert "newest backup, 20261115T120000Z-" in causes[STALE]
    assert causes[STALE].endswith("is 8 d old; 26 h are the target")
    assert "backup 20261115T120000Z-" in causes[FAILED]
    assert "verified backup, 20261114T120000Z-" in causes[OVERDUE]
    assert causes[OVERDUE].endswith("is 9 d old; 8 d are the target")


def test_the_targets_are_settings() -> None:
    settings = Settings(
        backup_freshness_hours=30, verification_freshness_days=3, restore_target_seconds=7
    )
    assert Targets.of(settings) == Targets(timedelta(hours=30), timedelta(days=3), 7)
