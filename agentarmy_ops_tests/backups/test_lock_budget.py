"""Backup runs that know nothing of each other share a server's lock table and connections."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest

from agentarmy_ops.backups import pipeline
from agentarmy_ops.backups.batch import BatchBackup
from agentarmy_ops.backups.commit import Work
from agentarmy_ops.backups.create import BackupOutcome, back_up_tenants
from agentarmy_ops.backups.lock_budget import CONNECTIONS_OF_A_DUMP, LOCK_CLASS, reserve
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import BackupError, DatabaseError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.embedded import start_embedded, stop_embedded
from agentarmy_ops_tests.backups.watched import WatchedStore
from agentarmy_ops_tests.fix_backups import Backups, Lab, make_database
from agentarmy_ops_tests.fix_postgres import TEST_CONFIGURATION

CONNECTIONS, LOCKS_EACH = 40, 32
BUDGET = CONNECTIONS * LOCKS_EACH // 2
MOST_DUMPS = CONNECTIONS // 2 // CONNECTIONS_OF_A_DUMP
RUNS, TABLES = 8, 400
LONGEST_WAIT = 30  # seconds

Session = psycopg.Connection[Any]
NewSession = Callable[..., Session]


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnInfo]:
    """A server with a small lock table."""
    data_dir = tmp_path_factory.mktemp("small") / "postgres-16"
    yield start_embedded(
        data_dir,
        configuration={
            **TEST_CONFIGURATION,
            "max_connections": str(CONNECTIONS),
            "max_locks_per_transaction": str(LOCKS_EACH),
        },
    )
    stop_embedded(data_dir)


@pytest.fixture
def new_session(small_server: ConnInfo) -> Iterator[NewSession]:
    """Open a session, on a database of the small server."""
    with ExitStack() as stack:
        yield lambda **params: stack.enter_context(
            small_server.with_params(**params).connect(autocommit=True)
        )


@pytest.fixture
def waiters() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(4)
    yield pool
    pool.shutdown(wait=False)  # after a failure, some still wait for sessions that are closed next


def waiting(observer: Session) -> int:
    """Sessions that wait for their turn: at the gate, or inside of it."""
    row = observer.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND (query LIKE 'SELECT pg_advisory_lock(%%' AND wait_event_type = 'Lock'"
        " OR query LIKE 'SELECT pg_sleep(%%' AND state = 'active')"
    ).fetchone()
    assert row is not None
    return int(row[0])


def until(observer: Session, count: int) -> None:
    deadline = monotonic() + LONGEST_WAIT
    while (found := waiting(observer)) != count:
        assert monotonic() < deadline, f"{found} wait, not {count}"


def reserved(observer: Session) -> list[int]:
    rows = observer.execute(
        "SELECT objid::int8 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
        " AND granted AND objid > 0 ORDER BY 1",
        [LOCK_CLASS],
    )
    return [row[0] for row in rows]


def large_tenants(lab: Lab) -> list[str]:
    """Tenants each of whom takes nearly all of the budget, and more than a pipe holds."""
    slugs = [f"tenant-{number}" for number in range(RUNS)]
    for slug in slugs:
        schema = lab.register(slug).schema_name
        with lab.database.connect(autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}".encode())
            for start in range(0, TABLES, 100):  # a transaction of all would take too many locks
                connection.execute(
                    "".join(
                        f"CREATE TABLE {schema}.t{number} ();"
                        for number in range(start, start + 100)
                    ).encode()
                )
            connection.execute(
                f"CREATE TABLE {schema}.rows AS SELECT repeat(md5(i::text), 4) AS text"
                " FROM generate_series(1, 40000) AS i".encode()
            )
    return slugs


def test_runs_at_once_keep_to_the_lock_table_together(
    small_server: ConnInfo,
    new_session: NewSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight runs, each of which a plan of its own gives nearly all of the budget. The first to
    store anything goes on when all others wait."""
    monkeypatch.setattr(pipeline, "HELD_BYTES", 0)
    lab = Lab(make_database(small_server), tmp_path, small_server)
    slugs = large_tenants(lab)
    observer = new_session()
    storing: list[str] = []
    together: list[int] = []

    def watch(name: str) -> None:
        if not name.endswith(".zst"):
            return
        storing.append(name)
        together.append(len(reserved(observer)))
        if len(storing) == 1:
            until(observer, RUNS - 1)

    def run(slug: str) -> list[BackupOutcome]:
        source = lab.source(concurrent_dumps=1)
        store = WatchedStore(lab.store, watch)
        return list(back_up_tenants(source, store, [lab.tenants[slug]]))

    with ThreadPoolExecutor(RUNS) as pool:
        outcomes = [outcome for found in pool.map(run, slugs) for outcome in found]
    assert [str(outcome.error) for outcome in outcomes if outcome.error] == []
    assert together == [1] * RUNS
    assert reserved(observer) == []


def test_dumps_that_fit_together_do_not_wait(new_session: NewSession) -> None:
    sessions = [new_session() for _ in range(2)]
    for session in sessions:
        reserve(session, BUDGET // 2, Stop())
    assert reserved(sessions[0]) == [BUDGET // 2] * 2


def test_a_dump_waits_until_another_has_ended(
    new_session: NewSession, waiters: ThreadPoolExecutor
) -> None:
    first, second, observer = (new_session() for _ in range(3))
    reserve(first, BUDGET // 2, Stop())
    turn = waiters.submit(reserve, second, BUDGET // 2 + 1, Stop())
    until(observer, 1)
    deadline = monotonic() + LONGEST_WAIT
    while reserved(observer) != [BUDGET // 2]:  # who waits holds nothing, but when it looks
        assert monotonic() < deadline, "a reservation is kept while waiting"
    assert not turn.done()
    first.close()
    turn.result(LONGEST_WAIT)
    assert reserved(observer) == [BUDGET // 2 + 1]


def test_a_dump_beyond_the_budget_goes_alone(
    new_session: NewSession, waiters: ThreadPoolExecutor
) -> None:
    large, small, observer = (new_session() for _ in range(3))
    reserve(large, 2 * BUDGET, Stop())
    turn = waiters.submit(reserve, small, 1, Stop())
    until(observer, 1)
    large.close()
    turn.result(LONGEST_WAIT)
    again = waiters.submit(reserve, new_session(), 2 * BUDGET, Stop())
    until(observer, 1)
    small.close()
    again.result(LONGEST_WAIT)


def test_who_came_first_is_served_first(
    new_session: NewSession, waiters: ThreadPoolExecutor
) -> None:
    """A small dump that would fit does not overtake a large one for ever."""
    running, large, small, observer = (new_session() for _ in range(4))
    reserve(running, BUDGET // 2, Stop())
    served: list[str] = []

    def take(name: str, session: Session, locks: int) -> None:
        reserve(session, locks, Stop())
        served.append(name)

    turns: list[Future[None]] = []
    for count, (name, session, locks) in enumerate(
        (("large", large, BUDGET), ("small", small, 1)), start=1
    ):
        turns.append(waiters.submit(take, name, session, locks))
        until(observer, count)
    running.close()
    turns[0].result(LONGEST_WAIT)
    assert served == ["large"]
    large.close()
    turns[1].result(LONGEST_WAIT)


def test_another_database_of_the_server_counts(
    new_session: NewSession, waiters: ThreadPoolExecutor
) -> None:
    here, there, observer = new_session(), new_session(dbname="template1"), new_session()
    reserve(here, BUDGET, Stop())
    turn = waiters.submit(reserve, there, 1, Stop())
    until(observer, 1)
    here.close()
    turn.result(LONGEST_WAIT)


def test_dumps_leave_half_of_the_connections(
    new_session: NewSession, waiters: ThreadPoolExecutor
) -> None:
    sessions = [new_session() for _ in range(MOST_DUMPS)]
    for session in sessions:
        reserve(session, 1, Stop())
    turn = waiters.submit(reserve, new_session(), 1, Stop())
    until(observer := new_session(), 1)
    assert reserved(observer) == [1] * MOST_DUMPS
    sessions[0].close()
    turn.result(LONGEST_WAIT)


def test_a_verification_waits_for_the_locks_of_the_scratch_server(
    backups: Backups, waiters: ThreadPoolExecutor
) -> None:
    server = backups.lab.scratch_server
    with (
        server.connect(autocommit=True) as holder,
        server.connect(autocommit=True) as observer,
    ):
        reserve(holder, 10**6, Stop())
        verdicts = waiters.submit(backups.lab.verify, backups.ref("acme"))
        until(observer, 1)
        assert not verdicts.done()
        holder.close()
        (verdict,) = verdicts.result(LONGEST_WAIT)
    assert verdict.status is Status.VERIFIED


def test_a_batch_that_waits_is_stopped_at_once(small_server: ConnInfo, tmp_path: Path) -> None:
    lab = Lab(make_database(small_server), tmp_path, small_server)
    stop, emitted = Stop(), list[BackupOutcome]()
    batch = BatchBackup(
        Work(lab.source(), lab.store),
        [lab.add_small_tenant("acme")],
        emit=emitted.append,
        stop=stop,
        locks=1,
        patient=False,
        is_large=False,
    )
    holder, observer = (small_server.connect(autocommit=True) for _ in range(2))
    with ThreadPoolExecutor(1) as pool, holder, observer:
        reserve(holder, BUDGET, Stop())
        ended = pool.submit(batch.run)
        until(observer, 1)
        stop()
        assert [tenant.slug for tenant in ended.result(LONGEST_WAIT).failed] == ["acme"]
        assert reserved(observer) == [BUDGET]
    assert emitted == []


@pytest.mark.parametrize("asked", [True, False])
def test_the_wait_ends_when_its_query_is_cancelled(
    new_session: NewSession, waiters: ThreadPoolExecutor, asked: bool
) -> None:
    """As stopping does, whether the query or what is between two of them is met."""
    holder, session, observer = (new_session() for _ in range(3))
    reserve(holder, BUDGET, Stop())
    stop = Stop()
    turn = waiters.submit(reserve, session, 1, stop)
    until(observer, 1)
    if asked:
        stop()
        with pytest.raises(BackupError, match="it was stopped"):
            turn.result(LONGEST_WAIT)
    else:
        session.cancel()
        with pytest.raises(DatabaseError, match="cannot wait for other dumps"):
            turn.result(LONGEST_WAIT)
    assert reserved(observer) == [BUDGET]


def test_a_roles_lock_timeout_does_not_end_the_wait(
    new_session: NewSession, waiters: ThreadPoolExecutor
) -> None:
    holder, session, observer = (new_session() for _ in range(3))
    reserve(holder, BUDGET, Stop())
    other = waiters.submit(reserve, new_session(), 1, Stop())
    until(observer, 1)  # inside of the gate
    session.execute("SET lock_timeout = '1ms'")
    turn = waiters.submit(reserve, session, 1, Stop())
    until(observer, 2)
    holder.close()
    other.result(LONGEST_WAIT)
    turn.result(LONGEST_WAIT)
