"""What a scrape is answered with: at once, whatever became of the last reading."""

import gzip
import shutil
import subprocess
import threading

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import StoreError
from agentarmy_ops.observability.background import Background
from agentarmy_ops.observability.exporter import Exporter
from agentarmy_ops.observability.fleet.cache import FleetCache
from agentarmy_ops.observability.fleet.model import Fleet
from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.fix_backups import Backups
from agentarmy_ops_tests.observability.fleet.conftest import WatchedStore, put_verdict, reader_of
from agentarmy_ops_tests.observability.fleet.examples import READ_AT, fleet, tenant

SETTINGS = Settings(
    _env_file=None,
    backup_freshness_hours=3,
    verification_freshness_days=2,
    restore_target_seconds=900,
)


def samples(exporter: Exporter) -> dict[str, list[float]]:
    """The values of all samples by name. The compressed answer is the same."""
    exposition = exporter.expose()
    assert gzip.decompress(exposition.gzip()) == exposition.plain()
    found: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(exposition.plain().decode()):
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.value)
    return found


class Answers:
    """What readings find, one after the other."""

    def __init__(self, *answers: Fleet | StoreError) -> None:
        self._answers = iter(answers)
        self.cache = Background("fleet", self._read, 3600)

    def _read(self, _: threading.Event) -> Fleet:
        answer = next(self._answers)
        if isinstance(answer, StoreError):
            raise answer
        return answer


TARGETS = {
    "agentarmy_backup_freshness_target_seconds": [3 * 3600],
    "agentarmy_verification_freshness_target_seconds": [2 * 86400],
    "agentarmy_restore_target_seconds": [900],
    "agentarmy_build_info": [1],
}


def test_before_during_and_after_a_failure() -> None:
    answers = Answers(
        StoreError("no store yet"), fleet(tenant("acme")), StoreError("gone"), fleet()
    )
    cache = answers.cache
    exporter = Exporter(cache, SETTINGS)
    assert samples(exporter) == TARGETS
    cache.refresh_now()
    assert samples(exporter) == {**TARGETS, "agentarmy_fleet_read_failed": [1]}
    cache.refresh_now()
    read = samples(exporter)
    assert read["agentarmy_fleet_read_failed"] == [0]
    assert read["agentarmy_fleet_read_timestamp_seconds"] == [READ_AT.timestamp()]
    assert read["agentarmy_fleet_read_duration_seconds"] == [0.5]
    assert read["agentarmy_backup_rows"] == [420]
    assert read["agentarmy_backup_fresh"] == [0, 0]  # 4 hours are too many, as set
    cache.refresh_now()
    assert samples(exporter) == {**read, "agentarmy_fleet_read_failed": [1]}
    cache.refresh_now()
    again = samples(exporter)
    assert again["agentarmy_fleet_read_failed"] == [0]
    assert "agentarmy_backup_rows" not in again


def test_the_fleet_is_rendered_once_for_each_reading() -> None:
    answers = Answers(fleet(tenant("acme")), fleet())
    exporter = Exporter(answers.cache, SETTINGS)
    answers.cache.refresh_now()
    first = exporter.expose().fleet
    assert exporter.expose().fleet is first
    answers.cache.refresh_now()
    assert exporter.expose().fleet is not first


def test_what_counts_as_it_goes_is_collected_for_each_scrape() -> None:
    registry, other = CollectorRegistry(), CollectorRegistry()
    counter = Counter("knocks", "Knocks.", registry=registry)
    Counter("rings", "Rings.", registry=other)
    exporter = Exporter(Answers().cache, SETTINGS, (registry, other))
    assert samples(exporter)["knocks_total"] == [0]
    counter.inc()
    assert samples(exporter)["knocks_total"] == [1]
    assert samples(exporter)["rings_total"] == [0]


def test_a_scrape_touches_neither_store_nor_registry(backups: Backups) -> None:
    store = WatchedStore(backups.lab.store)
    reader = reader_of(backups.lab, store)
    cache = FleetCache(reader, 3600)
    exporter = Exporter(cache, SETTINGS)
    samples(exporter)
    assert (store.listed, store.read_names) == (0, {})
    cache.start()
    assert cache.ready(30)
    # Nobody can read them any more.
    shutil.rmtree(backups.lab.root)
    reader._registry = None  # type: ignore[assignment]
    rows = [backups.manifests[slug].fingerprint.rows for slug in (None, "acme", "globex")]
    assert samples(exporter)["agentarmy_backup_rows"] == rows
    assert (store.listed, cache.error) == (1, None)
    cache.stop()


def test_promtool_has_nothing_to_say(backups: Backups) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    put_verdict(backups.lab, backups.ref("acme"), Status.VERIFIED)
    hostile = fleet(tenant('a"b\\c\nd\r{e="f"} 1'))
    answers = Answers(reader_of(backups.lab).read(), hostile)
    exporter = Exporter(answers.cache, SETTINGS, (REGISTRY,))
    for _ in range(2):
        answers.cache.refresh_now()
        checked = subprocess.run(
            [promtool, "check", "metrics"],
            input=exporter.expose().plain(),
            capture_output=True,
            check=False,
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
