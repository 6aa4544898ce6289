"""Metrics as Prometheus reads them."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families


def samples_of(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Each sample of an exposition by its name and labels, those without meaning left out."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


class Samples:
    """What a registry holds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def all(self, name: str) -> list[dict[str, str]]:
        """The labels of the samples of a name."""
        found = samples_of(generate_latest(self._registry).decode())
        return [dict(labels) for each, labels in found if each == name]

    def value(self, name: str, **labels: str) -> float:
        """The sample of exactly these labels; 0 where there is none."""
        found = samples_of(generate_latest(self._registry).decode())
        return found.get((name, frozenset(labels.items())), 0)
