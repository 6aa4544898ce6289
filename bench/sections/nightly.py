"""A night's run through Dagster, if the module that measures it is there.

``bench/nightly.py`` has a function ``run(lab: bench.lab.Lab) -> Iterable[bench.report.Row]``, as
the ``measure`` of every section, and may have ``ABOUT`` (Markdown) and
``goals(rows) -> Iterable[bench.report.Goal]``. The fleet it should use is ``lab.grow(tenants)``,
its folder ``lab.folder``.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec

from bench.lab import Lab
from bench.report import Goal, Row
from bench.section import Section

_MODULE = "bench.nightly"
_MODULE_IS_THERE = find_spec(_MODULE) is not None


def measure(lab: Lab) -> Iterable[Row]:
    """What ``bench.nightly`` measures, or nothing."""
    rows: Iterable[Row] = import_module(_MODULE).run(lab) if _MODULE_IS_THERE else ()
    return rows


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What ``bench.nightly`` was to reach, or nothing."""
    found = getattr(import_module(_MODULE), "goals", None) if _MODULE_IS_THERE and rows else None
    return found(rows) if found else ()


def _about() -> str:
    return str(getattr(import_module(_MODULE), "ABOUT", "")) if _MODULE_IS_THERE else ""


SECTION = Section(
    name="nightly",
    title="A night through Dagster",
    about=_about(),
    measure=measure,
    goals=goals,
)
