"""An embedded server runs as long as a process that started it, and no longer."""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.postgres.embedded import start_embedded, stop_embedded
from agentarmy_ops_tests.fix_postgres import TEST_CONFIGURATION

START = (
    "import sys; from pathlib import Path;"
    "from agentarmy_ops.postgres.embedded import start_embedded;"
    "from agentarmy_ops_tests.fix_postgres import TEST_CONFIGURATION;"
    "info = start_embedded(Path(sys.argv[1]), configuration=TEST_CONFIGURATION);"
    "print(info.connect().info.server_version, flush=True);"
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data_dir = tmp_path_factory.mktemp("embedded") / "postgres-16"
    yield data_dir
    stop_embedded(data_dir)


def _postmaster(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "postmaster.pid").read_text().split()[0]))


def _in_another_process(data_dir: Path, then: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", START + then, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("16")
    return process


def test_it_stops_with_the_last_process_that_started_it(data_dir: Path) -> None:
    first = _in_another_process(data_dir, "sys.stdin.read()")
    postmaster = _postmaster(data_dir)
    second = _in_another_process(data_dir, "sys.stdin.read()")
    assert _postmaster(data_dir) == postmaster
    first.communicate()
    assert postmaster.is_running()
    second.communicate()
    postmaster.wait(20)
    assert not (data_dir / "postmaster.pid").exists()


def test_a_process_that_was_killed_does_not_keep_it_for_ever(data_dir: Path) -> None:
    killed = _in_another_process(data_dir, "sys.stdin.read()")
    killed.kill()
    killed.communicate()
    # It could not stop the server; a machine that restarts would.
    stop_embedded(data_dir)
    last = _in_another_process(data_dir, "sys.stdin.read()")
    postmaster = _postmaster(data_dir)
    last.communicate()
    postmaster.wait(20)
    assert not (data_dir / "postmaster.pid").exists()


def test_it_starts_again_after_its_postmaster_was_killed(data_dir: Path) -> None:
    conninfo = start_embedded(data_dir, configuration=TEST_CONFIGURATION)
    with conninfo.connect(autocommit=True) as connection:
        connection.execute("CREATE DATABASE survives")
        connection.execute("CHECKPOINT")
    postmaster = _postmaster(data_dir)
    children = postmaster.children(recursive=True)
    postmaster.kill()
    psutil.wait_procs([postmaster, *children], timeout=20)
    again = start_embedded(data_dir, configuration=TEST_CONFIGURATION)
    with again.with_params(dbname="survives").connect() as connection:
        assert connection.info.dbname == "survives"
    assert _postmaster(data_dir) != postmaster


def test_starting_it_twice_gives_the_same_server(data_dir: Path) -> None:
    first = start_embedded(data_dir, configuration=TEST_CONFIGURATION)
    postmaster = _postmaster(data_dir)
    assert start_embedded(data_dir, configuration=TEST_CONFIGURATION) == first
    assert _postmaster(data_dir) == postmaster


def test_settings_apply_and_are_written_once(data_dir: Path) -> None:
    conninfo = start_embedded(data_dir, configuration=TEST_CONFIGURATION)
    with conninfo.connect() as connection:
        for name in ("max_locks_per_transaction", "fsync", "timezone"):
            shown = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert shown == (TEST_CONFIGURATION[name],)
    assert (data_dir / "postgresql.conf").read_text().count("agentarmy_ops.conf") == 1


def test_it_starts_again_after_it_was_stopped(data_dir: Path) -> None:
    start_embedded(data_dir, configuration=TEST_CONFIGURATION)
    stop_embedded(data_dir)
    assert not (data_dir / "postmaster.pid").exists()
    with start_embedded(data_dir, configuration=TEST_CONFIGURATION).connect() as connection:
        assert connection.info.dbname == "postgres"


def test_another_server_is_not_stopped_by_a_number_that_became_its_own(
    data_dir: Path, tmp_path: Path
) -> None:
    start_embedded(data_dir, configuration=TEST_CONFIGURATION)
    postmaster = _postmaster(data_dir)
    (tmp_path / "postmaster.pid").write_text(f"{postmaster.pid}\n")
    stop_embedded(tmp_path)
    with start_embedded(data_dir, configuration=TEST_CONFIGURATION).connect():
        assert _postmaster(data_dir) == postmaster


def test_a_server_that_does_not_start_names_its_log(tmp_path: Path) -> None:
    data_dir = tmp_path / "postgres-16"
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("16\n")
    (data_dir / "postgresql.conf").write_text("nonsense\n")
    if os.geteuid() == 0:
        user = pwd.getpwnam("pgserver")
        for path in (data_dir, *data_dir.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
    with pytest.raises(DatabaseError, match=r"does not start .* see .*log"):
        start_embedded(data_dir, configuration=TEST_CONFIGURATION)


def test_nothing_happens_where_no_server_runs(tmp_path: Path) -> None:
    stop_embedded(tmp_path)
    for text in ("", "garbage\n"):
        (tmp_path / "postmaster.pid").write_text(text)
        stop_embedded(tmp_path)
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n")
    stop_embedded(tmp_path)  # we are no postgres
