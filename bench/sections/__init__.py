"""The sections, in the order in which they are measured and shown."""

from bench.section import Section
from bench.sections import (
    catalog,
    exporter,
    fleet,
    fleetpage,
    gateway,
    history,
    large,
    memory,
    nightly,
    planner,
    profile,
    stages,
    verify,
    workers,
)

SECTIONS: tuple[Section, ...] = (
    fleet.SECTION,
    profile.SECTION,
    verify.SECTION,
    planner.SECTION,
    large.SECTION,
    stages.SECTION,
    memory.SECTION,
    nightly.SECTION,
    workers.SECTION,
    history.SECTION,
    catalog.SECTION,
    exporter.SECTION,
    fleetpage.SECTION,
    gateway.SECTION,
)
