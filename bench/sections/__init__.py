"""The sections, in the order in which they are measured and shown."""

from bench.section import Section
from bench.sections import (
    catalog,
    exporter,
    fleet,
    fleetpage,
    gateway,
    large,
    memory,
    nightly,
    planner,
    profile,
    stages,
    verify,
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
    catalog.SECTION,
    exporter.SECTION,
    fleetpage.SECTION,
    gateway.SECTION,
)
