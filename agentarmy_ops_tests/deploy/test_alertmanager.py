"""What explains other alerts keeps them quiet: asked of a running Alertmanager."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import permutations

import httpx
import pytest

from agentarmy_ops_tests.deploy.programs import free_port, running, until
from agentarmy_ops_tests.deploy.shipped import PROMETHEUS, alerts, needs

_NAMES = sorted(rule.alert for rule in alerts())
_OF_BACKUPS = {
    "AgentArmyBackupMissing",
    "AgentArmyBackupStale",
    "AgentArmyManyBackupsStale",
    "AgentArmyNothingProven",
    "AgentArmyRecoveryPointOld",
    "AgentArmyVerificationFailed",
    "AgentArmyVerificationOverdue",
}
# Of the same tenant, and of another one.
_QUIET: dict[str, tuple[set[str], set[str]]] = {
    "AgentArmyGatewayDown": ({*_NAMES} - {"AgentArmyGatewayDown"},) * 2,
    "AgentArmyFleetUnread": (_OF_BACKUPS,) * 2,
    "AgentArmyDagsterUnread": (
        {"AgentArmyDaemonDead", "AgentArmyQueueStuck", "AgentArmyHealthUnchecked"},
    )
    * 2,
    "AgentArmyDaemonDead": ({"AgentArmyQueueStuck", "AgentArmyHealthUnchecked"},) * 2,
    "AgentArmyManyBackupsStale": ({"AgentArmyBackupStale", "AgentArmyBackupMissing"},) * 2,
    "AgentArmyRecoveryPointOld": ({"AgentArmyVerificationOverdue"}, set()),
    "AgentArmySchemaMissing": (
        {"AgentArmyBackupStale", "AgentArmyBackupMissing"},
        set(),
    ),
}


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A running Alertmanager with the configuration that is shipped."""
    program = needs("prometheus-alertmanager", "prometheus-alertmanager")
    home, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    command = [
        program,
        f"--config.file={PROMETHEUS / 'alertmanager.yml'}",
        f"--storage.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with (
        running(command, home / "log"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        until(lambda: client.get("/-/ready").is_success)
        yield client


def _quiet(alertmanager: httpx.Client) -> dict[str, tuple[set[str], set[str]]]:
    """Whom each alert keeps quiet now, as :data:`_QUIET` has it."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for alert in alertmanager.get("/api/v2/alerts", params={"active": "false"}).json():
        labels = alert["labels"]
        if "about" in labels:  # else it is the first of a pair, and the second explains it
            same, other = found.setdefault(labels["beside"], (set(), set()))
            (same if labels["about"] == "same" else other).add(labels["alertname"])
    return found


def test_who_keeps_whom_quiet(alertmanager: httpx.Client) -> None:
    """Each pair of alerts in a job of its own; the second about the same tenant and about another
    one. Besides, the second in a job where the first is not."""
    posted = []
    for source, target in permutations(_NAMES, 2):
        job = f"{source} {target}"
        second = {"alertname": target, "beside": source, "job": job}
        posted += [
            {"alertname": source, "tenant_id": "1", "job": job},
            {**second, "tenant_id": "1", "about": "same"},
            {**second, "tenant_id": "2", "about": "other"},
            {**second, "tenant_id": "1", "about": "another job's", "job": f"{job} elsewhere"},
        ]
    answer = alertmanager.post("/api/v2/alerts", json=[{"labels": labels} for labels in posted])
    assert answer.is_success
    # It looks at them one after the other.
    number = sum(len(same) + len(other) for same, other in _QUIET.values())
    with suppress(TimeoutError):
        until(lambda: sum(map(len, sum(_quiet(alertmanager).values(), ()))) >= number)
    assert _quiet(alertmanager) == _QUIET
