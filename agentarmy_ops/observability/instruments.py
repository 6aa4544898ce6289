"""One set of metrics in each registry, whoever asks for it and how often."""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry

T = TypeVar("T")


def once_per_registry(make: Callable[[CollectorRegistry], T]) -> Callable[[CollectorRegistry], T]:
    """``make``, called once for each registry: Prometheus refuses a name that is registered twice,
    and two applications in one process count into the same metrics."""
    made: WeakKeyDictionary[CollectorRegistry, T] = WeakKeyDictionary()
    lock = Lock()

    def get(registry: CollectorRegistry) -> T:
        with lock:
            if registry not in made:
                made[registry] = make(registry)
            return made[registry]

    return get
