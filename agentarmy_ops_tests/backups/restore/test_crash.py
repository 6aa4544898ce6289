"""Kill a restore at each of its steps, while others read and write the tenant.

Whatever is killed, the tenant is the old one or the new one, whole, and the next restore succeeds.
"""

import multiprocessing
import os
import random
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from agentarmy_ops.backups.restore.undo import drop_kept, list_kept
from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.embedded import start_embedded, stop_embedded
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from agentarmy_ops_tests.backups.restore import victim
from agentarmy_ops_tests.backups.restore.conftest import restore, restorer
from agentarmy_ops_tests.backups.restore.traffic import QUERY, Traffic, connect
from agentarmy_ops_tests.fix_backups import Lab, make_database
from agentarmy_ops_tests.fix_postgres import TEST_CONFIGURATION, Servers

# As test_swap.py enumerates them.
STEPS = (
    "read the archive",
    "lock the tenant",
    "put the schema aside",
    "definitions",
    "rows tenant_acme.notes",
    "rows tenant_acme.users",
    "check rows tenant_acme.notes",
    "check rows tenant_acme.users",
    "sequences",
    "indexes, constraints and policies",
    "check isolation and constraints",
    "commit",
    "done",
)
_WITH_BACKEND = range(STEPS.index("put the schema aside"), len(STEPS))
_DONE = STEPS.index("done")


class Stage:
    """A tenant on a server of its own, which survives that its processes are killed."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.owner = lab.database.with_params(user=OWNER_ROLE)
        self.tenant_id = lab.tenants["acme"].id
        self.new = self.answer()
        self.make_old()
        self.old = self.answer()
        assert self.old != self.new

    def answer(self) -> str:
        with connect(self.owner, self.tenant_id) as connection:
            row = connection.execute(QUERY).fetchone()
        assert row is not None
        return str(row[0])

    def make_old(self) -> None:
        """Change the live tenant, so that it can be told from the backup."""
        self.lab.run("UPDATE notes SET body = 'live ' || id WHERE id <= 300", "acme")

    def restore_again(self) -> None:
        """The next restore succeeds, whatever the one before it left; then all is as before."""
        restore(self.lab)
        assert self.answer() == self.new
        drop_kept(restorer(self.lab), "acme")
        self.make_old()

    @contextmanager
    def restore_up_to(self, step: int | None) -> Iterator["tuple[BaseProcess, Connection]"]:
        """A restore in another process that waits before a step."""
        ours, theirs = multiprocessing.Pipe()
        orders = victim.Orders(self.owner, self.lab.root, step)
        process = _FORKSERVER.Process(target=victim.run, args=(orders, theirs))
        process.start()
        theirs.close()
        try:
            yield process, ours
        finally:
            process.kill()
            process.join()
            ours.close()

    def backend_of_victim(self) -> int:
        with self.lab.database.connect(autocommit=True) as connection:
            (row,) = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s", [victim.NAME]
            ).fetchall()
        return int(row[0])

    def wait_until_gone(self, backend: int) -> None:
        """The server rolls back as soon as it notices."""
        query = "SELECT FROM pg_stat_activity WHERE pid = %s AND application_name = %s"
        with connect(self.lab.database, self.tenant_id) as connection:
            while connection.execute(query, [backend, victim.NAME]).fetchone():
                pass


_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload([victim.__name__])


@pytest.fixture(scope="module")
def stage(
    embedded_scratch_servers: Servers,
) -> Iterator[Stage]:
    # Not below pytest's private folder: a server that root starts runs as another user, who must
    # find its way to the data when it starts over after a crash.
    home = Path(tempfile.mkdtemp(prefix="crash-"))
    home.chmod(0o755)
    # synchronous_commit stays off: a restore asks for it by itself.
    server = start_embedded(home / "postgres", major=16, configuration=TEST_CONFIGURATION)
    lab = Lab(make_database(server), home / "store", embedded_scratch_servers(16))
    lab.add_small_tenant("acme")
    ref = lab.back_up("acme").ref
    lab.back_up_platform()
    lab.verify(ref)
    yield Stage(lab)
    stop_embedded(home / "postgres")
    shutil.rmtree(home)


@pytest.fixture
def traffic(stage: Stage, record_property: Callable[[str, object], None]) -> Iterator[Traffic]:
    with Traffic(stage.owner, stage.tenant_id) as traffic:
        yield traffic
    assert traffic.errors == []
    assert set(traffic.answers) <= {stage.old, stage.new}
    assert traffic.answers.total() > 0
    assert traffic.written > 0
    record_property("answers", traffic.answers.total())
    record_property("longest wait of a reader in ms", round(traffic.longest_wait * 1000, 1))
    sys.stdout.write(
        f"{traffic.answers.total()} answers, {traffic.written} rows written, longest wait of a "
        f"reader {traffic.longest_wait * 1000:.1f} ms\n"
    )


def expected(stage: Stage, step: int) -> str:
    return stage.new if step >= _DONE else stage.old


@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_the_restore_is_killed(stage: Stage, traffic: Traffic, step: int) -> None:
    with stage.restore_up_to(step) as (process, pipe):
        assert pipe.recv() == STEPS[step]
        backend = stage.backend_of_victim() if step in _WITH_BACKEND else None
        process.kill()
        process.join()
    if backend is not None:
        stage.wait_until_gone(backend)
    assert stage.answer() == expected(stage, step)
    stage.restore_again()
    assert traffic.lost == 0


@pytest.mark.parametrize("step", _WITH_BACKEND, ids=[STEPS[step] for step in _WITH_BACKEND])
def test_its_backend_is_terminated(stage: Stage, traffic: Traffic, step: int) -> None:
    with stage.restore_up_to(step) as (_, pipe):
        assert pipe.recv() == STEPS[step]
        backend = stage.backend_of_victim()
        stage.lab.run(f"SELECT pg_terminate_backend({backend}, 10000)")
        assert stage.answer() == expected(stage, step)
        pipe.send("go on")
        message = pipe.recv()
        assert message is None if step >= _DONE else "is as it was" in message
    stage.restore_again()
    assert traffic.lost == 0


@pytest.mark.parametrize("step", _WITH_BACKEND, ids=[STEPS[step] for step in _WITH_BACKEND])
def test_its_backend_is_killed(stage: Stage, traffic: Traffic, step: int) -> None:
    """The server ends all sessions then and recovers; they connect again."""
    with stage.restore_up_to(step) as (_, pipe):
        assert pipe.recv() == STEPS[step]
        os.kill(stage.backend_of_victim(), signal.SIGKILL)
        pipe.send("go on")
        message = pipe.recv()
        assert message is None if step >= _DONE else "is as it was" in message
    traffic.wait_until_all_are_lost()
    assert stage.answer() == expected(stage, step)
    stage.restore_again()


@pytest.mark.parametrize("section", ["pre-data", "data", "post-data"])
def test_its_pg_restore_is_killed(
    stage: Stage, traffic: Traffic, tmp_path: Path, section: str
) -> None:
    tools = stage.lab.tools
    for program in ("pg_dump", "pg_restore"):
        script = tmp_path / program
        script.write_text(
            f'#!/bin/sh\ncase "$*" in *--section={section}*) kill -9 $$;; esac\n'
            f'exec {tools.program(program)} "$@"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(OpsError, match="pg_restore: exit code -9"):
        restore(stage.lab, bin_dirs=(tmp_path,))
    assert stage.answer() == stage.old
    stage.restore_again()
    assert traffic.lost == 0


@pytest.mark.parametrize("seed", range(10))
def test_the_restore_is_killed_at_any_moment(stage: Stage, traffic: Traffic, seed: int) -> None:
    # 0.3 s is what it takes from the start of the process to the end.
    delay = random.Random(seed).uniform(0, 0.3)  # noqa: S311 - the same each time
    with stage.restore_up_to(None) as (process, pipe):
        pipe.poll(delay)  # or until it ends
        process.kill()
        process.join()
    answer = stage.answer()
    assert answer in (stage.old, stage.new)
    assert (answer == stage.new) == bool(list_kept(restorer(stage.lab), "acme"))
    stage.restore_again()
    assert traffic.lost == 0


def test_the_steps_are_all(stage: Stage) -> None:
    told: list[str] = []
    restore(stage.lab, watch=lambda step, table: told.append(f"{step} {table}".strip()))
    assert tuple(told) == STEPS
    stage.restore_again()
