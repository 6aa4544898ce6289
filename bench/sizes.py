"""How much each run measures."""

from collections.abc import Mapping
from dataclasses import dataclass

MB = 10**6
GB = 10**9


@dataclass(frozen=True)
class Size:
    """One run's amounts.

    By PostgreSQL major, ``steps`` are the numbers of tenants at which a growing fleet is measured,
    and ``verified`` is how many tenants' backups are verified at most. ``loop_sample`` is how
    many tenants stand for all in the loop of pg_dump. ``catalog`` is how many tenants are listed,
    and how many backups of each; ``exporter`` the same for the metrics of all.
    """

    name: str
    steps: Mapping[int, tuple[int, ...]]
    verified: Mapping[int, int]
    loop_sample: int
    repetitions: int
    large_bytes: int
    memory_bytes: tuple[int, ...]
    catalog: tuple[int, int]
    exporter: tuple[int, int]
    batch: int = 250

    def verified_step(self, major: int) -> int:
        """The step at which backups are verified."""
        steps = self.steps[major]
        return max((step for step in steps if step <= self.verified[major]), default=min(steps))

    def rounds(self, tenants: int) -> int:
        """How often a fleet of so many tenants is backed up for one figure."""
        return self.repetitions if tenants <= self.batch else 1


SIZES = {
    "small": Size(
        name="small",
        steps={16: (10, 100), 18: (10, 100)},
        verified={16: 100, 18: 10},
        loop_sample=5,
        repetitions=3,
        large_bytes=100 * MB,
        memory_bytes=(100 * MB,),
        catalog=(20, 30),
        exporter=(100, 3),
    ),
    "full": Size(
        name="full",
        steps={16: (10, 100, 1000, 5000), 18: (10, 100, 1000)},
        verified={16: 1000, 18: 100},
        loop_sample=5,
        repetitions=3,
        large_bytes=2 * GB,
        memory_bytes=(100 * MB, 5 * GB),
        catalog=(200, 60),
        exporter=(10_000, 24),
    ),
}
