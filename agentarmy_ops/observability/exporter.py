"""All metrics of a process in Prometheus' text format: the fleet's, and what counts as it goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agentarmy_ops.observability.background import Background
from agentarmy_ops.observability.exposition import Part
from agentarmy_ops.observability.fleet.metrics import render_fleet
from agentarmy_ops.observability.fleet.model import Fleet
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.settings import Settings

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_NO_FLEET = Part(b"")


@dataclass(frozen=True)
class Exposition:
    """What one scrape is answered with."""

    fleet: Part
    live: bytes

    def plain(self) -> bytes:
        """The text."""
        return self.fleet.text + self.live

    def gzip(self) -> bytes:
        """The text, compressed."""
        return self.fleet.gzip_with(self.live)


class Exporter:
    """Answers scrapes at once, whatever the store and the databases do: the fleet is rendered
    where it is read, once for each reading."""

    def __init__(
        self,
        cache: Background[Fleet],
        settings: Settings,
        registries: Sequence[CollectorRegistry] = (),
    ) -> None:
        """``registries`` hold the metrics that are collected anew for each scrape; their names
        must differ."""
        self._targets = Targets.of(settings)
        self._fleet = _NO_FLEET
        own = CollectorRegistry()
        own.register(_Reading(cache, self._targets))
        self._registries = (own, *registries)
        cache.watch(self._render)

    def expose(self) -> Exposition:
        """All metrics as they are now; without the fleet's until it was read once."""
        live = b"".join(generate_latest(registry) for registry in self._registries)
        return Exposition(self._fleet, live)

    def _render(self, fleet: Fleet) -> None:
        self._fleet = Part(render_fleet(fleet, self._targets.backup_age))


class _Reading(Collector):
    """How the fleet was read, and by what it is judged."""

    def __init__(self, cache: Background[Fleet], targets: Targets) -> None:
        self._cache, self._targets = cache, targets

    def collect(self) -> Iterator[Metric]:
        """Called for each scrape."""
        targets, fleet, error = self._targets, self._cache.current, self._cache.error
        if fleet or error:
            yield GaugeMetricFamily(
                "agentarmy_fleet_read_failed",
                "Whether the last reading of registry and store failed.",
                value=error is not None,
            )
        if fleet:
            yield GaugeMetricFamily(
                "agentarmy_fleet_read_timestamp_seconds",
                "When the reading that these metrics come from began.",
                value=fleet.read_at.timestamp(),
            )
            yield GaugeMetricFamily(
                "agentarmy_fleet_read_duration_seconds",
                "Time that this reading took.",
                value=fleet.seconds,
            )
        yield GaugeMetricFamily(
            "agentarmy_backup_freshness_target_seconds",
            "Age that a tenant's newest backup may have.",
            value=targets.backup_age.total_seconds(),
        )
        yield GaugeMetricFamily(
            "agentarmy_verification_freshness_target_seconds",
            "Age that a tenant's newest verified backup may have.",
            value=targets.proof_age.total_seconds(),
        )
        yield GaugeMetricFamily(
            "agentarmy_restore_target_seconds",
            "Time that a tenant's restore may take.",
            value=targets.restore_seconds,
        )
        build = GaugeMetricFamily(
            "agentarmy_build_info", "Version of this software.", labels=["version"]
        )
        build.add_metric([version("agentarmy-ops")], 1)
        yield build
