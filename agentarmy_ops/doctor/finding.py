"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """``ok``; ``warn``: works today, see to it; ``fail``: backups or their proof do not work, or
    are not safe."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line about one thing. ``advice`` says what to do, and is empty when all is well."""

    check: str
    level: Level
    message: str
    advice: str = ""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, message)


def warn(check: str, message: str, advice: str) -> Finding:
    """It works today."""
    return Finding(check, Level.WARN, message, advice)


def fail(check: str, message: str, advice: str) -> Finding:
    """It does not work, or is not safe."""
    return Finding(check, Level.FAIL, message, advice)


def failed(check: str, error: Exception) -> Finding:
    """The check itself met this error; our errors end with what to do after a semicolon."""
    message, _, advice = str(error).rpartition("; ")
    if not message:
        message, advice = advice, "mend that and run doctor again"
    return Finding(check, Level.FAIL, message, advice)


def worst(findings: list[Finding]) -> Level:
    """The gravest level among findings."""
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.OK)
