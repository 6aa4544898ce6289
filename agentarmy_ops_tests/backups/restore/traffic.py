"""An application that reads and writes a tenant all the time, and measures how long it waits."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic
from uuid import UUID

import psycopg

from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.conninfo import ConnInfo

# The rows of the backup, whatever else is written meanwhile: from both tables in one statement.
QUERY = b"""
    SELECT md5(string_agg(body || email, ',' ORDER BY notes.id))
    FROM tenant_acme.notes JOIN tenant_acme.users ON users.id = notes.author
    WHERE notes.id <= 400
"""
_INSERT = b"INSERT INTO tenant_acme.notes VALUES (%s, 1, 'written meanwhile', %s)"
_ids = itertools.count(1_000_000)  # rows stay from one test to the next
_SECONDS = 15  # for the server to be there again after a crash


class Traffic:
    """Readers and a writer, each in a thread with a session that lasts.

    ``answers`` counts what readers were told, ``errors`` are what the server refused, ``lost`` are
    the sessions it ended: all of them, when one of its processes is killed.
    """

    def __init__(self, database: ConnInfo, tenant_id: UUID, readers: int = 2) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._end = threading.Event()
        self.answers: Counter[str] = Counter()
        self.errors: list[str] = []
        self.lost = 0
        self._loss = threading.Condition()
        self.written = 0
        self.longest_wait = 0.0
        works: list[Callable[[psycopg.Connection], None]] = [*[self._read] * readers, self._write]
        self._threads = [threading.Thread(target=self._run, args=[work]) for work in works]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[[psycopg.Connection], None]) -> None:
        while not self._end.is_set():
            with connect(self._database, self._tenant_id) as connection:
                while not (self._end.is_set() or connection.closed):
                    try:
                        work(connection)
                    except psycopg.Error as error:
                        if connection.closed:
                            self._count_loss()
                        else:
                            self.errors.append(str(error))

    def _count_loss(self) -> None:
        with self._loss:
            self.lost += 1
            self._loss.notify_all()

    def wait_until_all_are_lost(self) -> None:
        """Until the server has ended every session."""
        with self._loss:
            assert self._loss.wait_for(lambda: self.lost >= len(self._threads), _SECONDS)

    def _read(self, connection: psycopg.Connection) -> None:
        started = monotonic()
        answer = connection.execute(QUERY).fetchone()
        self.longest_wait = max(self.longest_wait, monotonic() - started)
        self.answers[answer[0] if answer else ""] += 1

    def _write(self, connection: psycopg.Connection) -> None:
        connection.execute(_INSERT, [next(_ids), self._tenant_id])
        self.written += 1


def connect(database: ConnInfo, tenant_id: UUID) -> psycopg.Connection:
    """A session of the application: subject to row-level security, for one tenant. Waits for a
    server that comes up again."""
    deadline = monotonic() + _SECONDS
    while True:
        try:
            return database.connect(
                autocommit=True, options=f"-c app.current_tenant_id={tenant_id}"
            )
        except OpsError:
            if monotonic() > deadline:
                raise
