"""Tenants are looked up rarely, and a registry that is down does not take all else with it."""

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from uuid import UUID, uuid4

import pytest

from agentarmy_ops.errors import ConfigurationError, DatabaseError, InvalidInputError
from agentarmy_ops.observability.context import TenantContext
from agentarmy_ops.observability.registry_reader import RegistryReader
from agentarmy_ops.observability.tenant_lookup import TenantLookup
from agentarmy_ops_tests.clock import Clock
from agentarmy_ops_tests.fix_tenants import AppDatabase

_INSERT = (
    "INSERT INTO shared.tenants (slug, name, schema_name)"
    " VALUES (%s, 'Name', 'tenant_' || replace(%s, '-', '_')) RETURNING id"
)


def add_tenant(database: AppDatabase, slug: str) -> TenantContext:
    with database.owner.connect() as connection:
        row = connection.execute(_INSERT, [slug, slug]).fetchone()
    assert row
    return TenantContext(row[0], slug)


class Asked:
    """A registry that counts its questions and can be broken."""

    def __init__(self, reader: RegistryReader) -> None:
        self.reader = reader
        self.keys: list[UUID | str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def __call__(self, key: UUID | str) -> TenantContext | None:
        self.keys.append(key)
        assert self.gate.wait(10)
        if self.broken:
            raise DatabaseError("the server has gone")
        return self.reader(key)


@pytest.fixture
def acme(app_database: AppDatabase) -> TenantContext:
    return add_tenant(app_database, "acme-eu")


@pytest.fixture
def asked(app_database: AppDatabase, acme: TenantContext) -> Iterator[Asked]:
    reader = RegistryReader(app_database.backup)
    yield Asked(reader)
    reader.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lookup(asked: Asked, clock: Clock) -> Iterator[TenantLookup]:
    lookup = TenantLookup(asked, size=3, clock=clock)
    yield lookup
    lookup.close()


def find(lookup: TenantLookup, *values: str) -> list[TenantContext | None]:
    """One after the other."""

    async def main() -> list[TenantContext | None]:
        return [await lookup(value) for value in values]

    return asyncio.run(main())


def test_by_id_and_by_slug_and_no_such(
    lookup: TenantLookup, asked: Asked, acme: TenantContext
) -> None:
    tenant_id = str(acme.tenant_id)
    found = find(lookup, "acme-eu", tenant_id, tenant_id.upper(), "nobody", str(uuid4()))
    assert found == [acme, acme, acme, None, None]
    assert asked.keys[:3] == ["acme-eu", acme.tenant_id, "nobody"]


def test_what_looks_like_an_id_is_one(
    app_database: AppDatabase, lookup: TenantLookup, acme: TenantContext
) -> None:
    """Else a tenant could be given another's id as its slug, and be found in its place."""
    add_tenant(app_database, str(acme.tenant_id))
    assert find(lookup, str(acme.tenant_id)) == [acme]


@pytest.mark.parametrize(
    "value",
    ["", "a", "Acme", "acme_eu", "acme eu", "-acme", "acme-", "acme\n", "acme\x00", "äcme",
     "x" * 51, "x" * 100_000, "' OR true --", "acme'; DROP TABLE shared.tenants; --", "%", "*",
     "{12345678-1234-1234-1234-123456789abc}", "12345678-1234-1234-1234-123456789abG",
     "urn:uuid:12345678-1234-1234-1234-123456789abc", "12345678-1234-1234-1234-123456789abc\n"],
)  # fmt: skip
def test_nobody_is_asked_for_what_is_no_name(value: str) -> None:
    asked: list[UUID | str] = []
    with pytest.raises(InvalidInputError, match=r"^neither a tenant's id"):
        find(TenantLookup(asked.append), value)
    assert asked == []


def test_answers_are_remembered_for_their_time(
    app_database: AppDatabase, lookup: TenantLookup, asked: Asked, clock: Clock, acme: TenantContext
) -> None:
    assert find(lookup, "acme-eu", "acme-eu", "globex", "globex") == [acme, acme, None, None]
    assert asked.keys == ["acme-eu", "globex"]
    globex = add_tenant(app_database, "globex")
    clock.now += 9.9
    assert find(lookup, "globex") == [None]
    clock.now += 0.2
    assert find(lookup, "globex", "globex", "acme-eu") == [globex, globex, acme]
    assert asked.keys == ["acme-eu", "globex", "globex"]
    with app_database.owner.connect() as connection:
        connection.execute("DELETE FROM shared.tenants WHERE slug = 'acme-eu'")
    clock.now += 49.8
    assert find(lookup, "acme-eu") == [acme]
    clock.now += 0.2
    assert find(lookup, "acme-eu", "acme-eu") == [None, None]
    assert asked.keys[3:] == ["acme-eu"]


def test_made_up_names_push_no_tenant_out(
    lookup: TenantLookup, asked: Asked, acme: TenantContext
) -> None:
    find(lookup, "acme-eu", *(f"made-up-{number}" for number in range(20)), "acme-eu")
    assert asked.keys.count("acme-eu") == 1
    assert find(lookup, "made-up-19", "made-up-17") == [None, None]
    assert len(asked.keys) == 21
    find(lookup, "made-up-16")  # four ago, of which three are remembered
    assert len(asked.keys) == 22


def test_a_burst_is_one_question_and_the_event_loop_goes_on(
    lookup: TenantLookup, asked: Asked, acme: TenantContext
) -> None:
    asked.gate.clear()

    async def main() -> list[TenantContext | None]:
        waiting = [asyncio.create_task(lookup("acme-eu")) for _ in range(100)]
        impatient = asyncio.create_task(lookup("acme-eu"))
        for _ in range(10):
            await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        assert not any(each.done() for each in waiting)
        asked.gate.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(main()) == [acme] * 100
    assert asked.keys == ["acme-eu"]


def test_a_registry_that_is_down_is_left_alone_for_a_while(
    lookup: TenantLookup,
    asked: Asked,
    clock: Clock,
    acme: TenantContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    find(lookup, "acme-eu")
    asked.broken = True
    for _ in range(3):
        with pytest.raises(DatabaseError, match="the server has gone"):
            find(lookup, "globex")
    assert asked.keys == ["acme-eu", "globex"]
    clock.now += 61  # the tenant is to be asked for again, in vain
    assert find(lookup, "acme-eu", "acme-eu") == [acme, acme]
    assert asked.keys == ["acme-eu", "globex", "acme-eu"]
    asked.broken = False
    clock.now += 4.9
    with pytest.raises(DatabaseError):
        find(lookup, "globex")
    clock.now += 0.2
    assert find(lookup, "globex", "acme-eu") == [None, acme]
    assert [record.getMessage() for record in caplog.records] == [
        "no tenant can be looked up: the server has gone",
        "tenants can be looked up again",
    ]


def test_a_tenant_that_is_gone_does_not_come_back_when_the_registry_is_down(
    app_database: AppDatabase, lookup: TenantLookup, asked: Asked, clock: Clock, acme: TenantContext
) -> None:
    assert find(lookup, "acme-eu") == [acme]
    with app_database.owner.connect() as connection:
        connection.execute("DELETE FROM shared.tenants")
    clock.now += 61
    assert find(lookup, "acme-eu") == [None]
    asked.broken = True
    clock.now += 61
    with pytest.raises(DatabaseError):
        find(lookup, "acme-eu")


def test_the_tenants_asked_for_longest_ago_are_forgotten(clock: Clock) -> None:
    asked: list[UUID | str] = []

    def anybody(key: UUID | str) -> TenantContext:
        asked.append(key)
        return TenantContext(uuid4(), str(key))

    lookup = TenantLookup(anybody, size=2, clock=clock)
    find(lookup, "one", "two")
    clock.now += 61
    find(lookup, "one", "three")
    assert asked == ["one", "two", "one", "three"]
    find(lookup, "one", "three", "two")
    assert asked[4:] == ["two"]
    lookup.close()


def test_a_registry_that_is_silent_keeps_nobody_waiting_for_ever(
    asked: Asked, acme: TenantContext
) -> None:
    lookup = TenantLookup(asked, timeout_seconds=0.05, retry_seconds=0)
    asked.gate.clear()

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(DatabaseError, match=r"did not answer within 0\.05 s"):
                await lookup("acme-eu")
        assert asked.keys == ["acme-eu"]
        asked.gate.set()
        while (tenant := await _patiently(lookup)) is None:
            pass
        assert tenant == acme

    asyncio.run(main())
    lookup.close()


async def _patiently(lookup: TenantLookup) -> TenantContext | None:
    try:
        return await lookup("acme-eu")
    except DatabaseError:
        return None


def test_a_failure_that_nobody_waits_for_any_more_is_no_complaint(
    lookup: TenantLookup, asked: Asked
) -> None:
    complaints: list[object] = []
    asked.broken = True
    asked.gate.clear()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, each: complaints.append(each))
        impatient = asyncio.create_task(lookup("acme-eu"))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        asked.gate.set()
        with pytest.raises(DatabaseError):
            await lookup("globex")  # answered after the other
        gc.collect()

    asyncio.run(main())
    assert asked.keys == ["acme-eu", "globex"]
    assert complaints == []


def test_a_bug_is_not_taken_for_a_registry_that_is_down() -> None:
    def broken(_: UUID | str) -> TenantContext | None:
        raise KeyError("a bug")

    lookup = TenantLookup(broken)

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(KeyError, match="a bug"):
                await lookup("acme-eu")

    asyncio.run(main())
    lookup.close()


def test_closed_it_keeps_nothing_open_and_can_be_asked_again(asked: Asked) -> None:
    closed: SimpleQueue[threading.Thread] = SimpleQueue()
    lookup = TenantLookup(asked, at_close=lambda: closed.put(threading.current_thread()))
    lookup.close()  # nothing to close yet
    for slug in ("nobody", "no-one"):
        assert find(lookup, slug) == [None]
        lookup.close()
        thread = closed.get(timeout=10)
        thread.join(10)
        assert not thread.is_alive()
    assert closed.empty()


def test_of_a_database(app_database: AppDatabase, acme: TenantContext) -> None:
    lookup = TenantLookup.in_database(app_database.backup, known_seconds=0)
    assert find(lookup, "acme-eu", "nobody") == [acme, None]
    lookup.close()


def test_the_reader_survives_a_restart_of_its_server(
    app_database: AppDatabase, acme: TenantContext
) -> None:
    reader = RegistryReader(app_database.backup)
    assert reader("acme-eu") == acme
    with app_database.superuser.connect(autocommit=True) as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'agentarmy_backup'"
        ).fetchone()
    assert ended == (1,)
    assert reader("acme-eu") == acme
    reader.close()
    assert reader(acme.tenant_id) == acme
    reader.close()


def test_the_reader_keeps_one_connection_and_nothing_of_it_open(
    app_database: AppDatabase, acme: TenantContext
) -> None:
    reader = RegistryReader(app_database.backup)
    for _ in range(12):  # psycopg would prepare the statement after five
        assert reader("acme-eu") == acme
    with app_database.superuser.connect() as connection:
        sessions = connection.execute(
            "SELECT state FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'agentarmy_backup'"
        ).fetchall()
    assert sessions == [("idle",)]
    assert reader._connection is not None
    prepared = reader._connection.execute("SELECT count(*) FROM pg_prepared_statements")
    assert prepared.fetchone() == (0,)
    reader.close()


def test_a_registry_that_is_not_there_may_come(app_database: AppDatabase) -> None:
    reader = RegistryReader(app_database.owner)
    with app_database.owner.connect() as connection:
        connection.execute("ALTER TABLE shared.tenants RENAME TO elsewhere")
        connection.commit()
        with pytest.raises(DatabaseError, match=r"shared\.tenants.*does not exist; check"):
            reader("acme-eu")
        connection.execute("ALTER TABLE shared.elsewhere RENAME TO tenants")
        connection.commit()
    assert reader("acme-eu") is None
    reader.close()


def test_no_server_and_no_connection_string() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    reader = RegistryReader(f"postgresql://someone:geheim@127.0.0.1:{port}/app")
    with pytest.raises(DatabaseError, match="cannot connect to someone@127") as caught:
        reader("acme-eu")
    assert "geheim" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="the tenants' database is not a PostgreSQL"):
        RegistryReader("mysql:geheim")
