"""One tenant through the commands that the README names for CI: ``make smoke``.

On the servers that are given by URL, in databases that are made and dropped; without, on embedded
ones. What it keeps is in a temporary folder.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.bootstrap import BACKUP_ROLE, OWNER_ROLE
from agentarmy_ops_tests.databases import create_database, drop_database
from agentarmy_ops_tests.given import Given, UnfitServerError, prepare, take_settings

_REPOSITORY = Path(__file__).parents[1]
_OPS = (sys.executable, "-m", "agentarmy_ops.cli")
_SLUG = "acme"
_UNKNOWN = "nobody"


class SmokeError(Exception):
    """A command did not do what it must; one line."""


def smoke(given: Given) -> None:
    """Provision, back up, verify and check one tenant; one that nobody knows must fail.

    Raises:
        SmokeError: something of it went otherwise.
    """
    with tempfile.TemporaryDirectory() as folder, _databases(given, folder) as databases:
        home = Path(folder)
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(_REPOSITORY / name, home)
        variables = {
            **os.environ,
            **databases,
            "ENVIRONMENT": "testing",
            "AGENTARMY_HOME": str(home / "agentarmy"),
            "DAGSTER_HOME": folder,
        }
        try:
            _steps(variables)
        finally:
            _run([*_OPS, "down"], variables)


def _steps(variables: Mapping[str, str]) -> None:
    created = ("--name", "Acme", "--admin-email", f"admin@{_SLUG}.example")
    _must([*_OPS, "tenant", "provision", _SLUG, *created], variables)
    _must(_job("backup_tenants", _SLUG), variables)
    _must(_job("verify_restores", _SLUG), variables)
    _must([*_OPS, "backups", "check", "--tenant", _SLUG], variables)
    listed = _must([*_OPS, "backups", "list", _SLUG, "--json"], variables)
    verdicts = [backup["verdict"] for backup in json.loads(listed)["backups"]]
    if verdicts != ["verified"]:
        raise SmokeError(f"tenant {_SLUG} must have one backup, verified; it has: {verdicts}")

    ran = _run(_job("backup_tenants", _UNKNOWN), variables)
    if ran.returncode == 0 or f"no tenant {_UNKNOWN}" not in ran.stdout:
        print(ran.stdout)  # noqa: T201
        raise SmokeError(f"a backup of tenant {_UNKNOWN} must fail and say that there is none")


def _job(job: str, slug: str) -> list[str]:
    tags = json.dumps({"dagster/partition": slug})
    dagster = (sys.executable, "-m", "dagster", "job", "execute", "-m", "agentarmy_ops.definitions")
    return [*dagster, "-j", job, "--tags", tags]


def _must(command: list[str], variables: Mapping[str, str]) -> str:
    ran = _run(command, variables)
    if ran.returncode:
        print(ran.stdout)  # noqa: T201
        raise SmokeError(f"exit code {ran.returncode}: {' '.join(command[1:])}")
    return ran.stdout


def _run(command: list[str], variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """In a folder without a ``.env``; all that it prints is in ``stdout``."""
    print("smoke:", *command[2:], flush=True)  # noqa: T201
    return subprocess.run(
        command,
        cwd=variables["DAGSTER_HOME"],
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@contextmanager
def _databases(given: Given, folder: str) -> Iterator[dict[str, str]]:
    """The variables that name databases of their own on the given servers, if any."""
    variables = {"REDIS_URL": given.redis_url} if given.redis_url else {}
    if given.live is None or given.scratch is None:
        yield {**variables, "EMBEDDED_POSTGRES_VERSION": str(given.major)}
        return
    application, dagster = create_database(given.live), create_database(given.live)
    try:
        superuser = {"DATABASE_URL": application.url, "DAGSTER_HOME": folder}
        _must([*_OPS, "init"], {**os.environ, **superuser})
        yield {
            **variables,
            "DATABASE_URL": _as(OWNER_ROLE, application),
            "BACKUP_DATABASE_URL": _as(BACKUP_ROLE, application),
            "DAGSTER_DATABASE_URL": dagster.url,
            "SCRATCH_DATABASE_URL": given.scratch.url,
        }
    finally:
        drop_database(application)
        drop_database(dagster)


def _as(role: str, database: ConnInfo) -> str:
    return database.with_params(user=role).url


def main() -> int:
    """Exit code 0 when all is well; else 1, and one line that says what is not."""
    try:
        smoke(prepare(take_settings(os.environ)))
    except (SmokeError, UnfitServerError) as error:
        print(f"smoke: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print("smoke: all is well")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
