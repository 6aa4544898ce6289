"""The connection breaks during the commit: the server is asked what became of it."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from agentarmy_ops.backups.restore import session
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.swap import RestoreResult
from agentarmy_ops.errors import RestoreError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from agentarmy_ops_tests.backups.restore.conftest import restore
from agentarmy_ops_tests.databases import open_socket
from agentarmy_ops_tests.fix_backups import Lab

_COMMIT = b"COMMIT\0"
_SOCKET = ".s.PGSQL.5432"


class Wire:
    """Between the restore and the server; once armed, breaks at COMMIT, before or after it."""

    def __init__(self, server: ConnInfo, folder: Path, *, passes_commit: bool) -> None:
        self._server = server
        self._passes_commit = passes_commit
        self.armed = False
        self.breaks_for_good = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._path = folder / _SOCKET
        self._listener.bind(str(self._path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=[client], daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, open_socket(self._server) as server, suppress(OSError):
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for source in readable:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if source is client and data.endswith(_COMMIT) and self.armed:
                        self.armed = False
                        if self.breaks_for_good:
                            self._listener.close()
                            self._path.unlink()
                        if self._passes_commit:
                            server.sendall(data)
                            server.recv(1)  # the server has done it
                        return
                    (server if source is client else client).sendall(data)

    def watch(self, step: Step, _: str) -> None:
        if step is Step.COMMIT:
            self.armed = True


@pytest.fixture
def wire(proven_lab: Lab, tmp_path: Path) -> Iterator[Callable[[bool], Wire]]:
    with ExitStack() as stack:

        def make(passes_commit: bool) -> Wire:
            wire = Wire(proven_lab.database, tmp_path, passes_commit=passes_commit)
            stack.callback(wire.close)
            return wire

        yield make


def restore_over(lab: Lab, wire: Wire, folder: Path) -> RestoreResult:
    database = lab.database.with_params(host=str(folder), port="5432", user=OWNER_ROLE)
    return restore(lab, database=database, watch=wire.watch)


def test_a_commit_whose_answer_was_lost_is_a_success(
    proven_lab: Lab, wire: Callable[[bool], Wire], rows: Callable[[str], int], tmp_path: Path
) -> None:
    proven_lab.run("DELETE FROM notes", "acme")
    result = restore_over(proven_lab, wire(True), tmp_path)
    assert result.aside
    assert rows("tenant_acme.notes") == 400
    assert rows(f'"{result.aside.schema}".notes') == 0


def test_a_commit_that_did_not_arrive_is_a_failure(
    proven_lab: Lab, wire: Callable[[bool], Wire], rows: Callable[[str], int], tmp_path: Path
) -> None:
    proven_lab.run("DELETE FROM notes", "acme")
    with pytest.raises(RestoreError, match="is as it was, all was rolled back: "):
        restore_over(proven_lab, wire(False), tmp_path)
    assert rows("tenant_acme.notes") == 0


def test_a_server_that_does_not_come_back_leaves_it_open(
    proven_lab: Lab,
    wire: Callable[[bool], Wire],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "_PATIENCE_SECONDS", 0.5)
    broken = wire(True)
    broken.breaks_for_good = True
    with pytest.raises(RestoreError, match="either as it was or exchanged; see 'agentarmy-ops"):
        restore_over(proven_lab, broken, tmp_path)
