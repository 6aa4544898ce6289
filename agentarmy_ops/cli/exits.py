"""Exit codes that belong to no single error; the others are ``exit_code`` in ``errors.py``."""

from enum import IntEnum


class ExitCode(IntEnum):
    """See ``docs/cli.md``."""

    FAILURE = 1
    NOT_FOUND = 3
    BACKUP_FAILED = 5
    NO_VERDICT = 6
    DIFFERS = 9
    INTERRUPTED = 130
    TERMINATED = 143
