"""The steps of an offboarding, in their order, for those who watch it."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What happens next. Whatever ends a step, the same call goes on from there."""

    BACK_UP = "back up"
    VERIFY = "verify the backup"
    RECORD = "record the request"
    DISABLE = "disable the tenant"
    ENABLE = "enable the tenant"
    CANCEL = "record the cancellation"
    COMPARE = "compare the tenant with its final backup"
    PLAN = "record what is going to be erased"
    COMMIT = "erase schemas and registry row"
    REDIS = "erase keys in Redis"
    SECRETS = "erase secrets"
    BACKUPS = "erase backups"
    CERTIFY = "write the certificate"


# Called before each step.
Watch = Callable[[Step], None]


def unwatched(_step: Step) -> None:
    """Nobody watches."""
