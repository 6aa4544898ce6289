"""The steps of a restore, in their order, for those who watch it."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What a restore does next. Until ``DONE`` the tenant is as it was."""

    READ = "read the archive"
    SCRATCH = "restore it into a scratch database"  # a copy of a tenant, or of tables, only
    LOCK = "lock the tenant"
    PUT_ASIDE = "put the schema aside"
    DEFINITIONS = "definitions"
    ROWS = "rows"
    CHECK_ROWS = "check rows"
    SEQUENCES = "sequences"
    CONSTRAINTS = "indexes, constraints and policies"
    CHECK = "check isolation and constraints"
    COMMIT = "commit"
    DONE = "done"


# Called before each step, with the table it is about or nothing.
Watch = Callable[[Step, str], None]


def unwatched(_step: Step, _table: str) -> None:
    """Nobody watches."""
