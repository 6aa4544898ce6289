"""Dagster's event log in PostgreSQL, for runs over a thousand partitions."""

import threading
from collections.abc import Sequence

from dagster import DagsterEventType, EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine

LONGEST_DELAY_SECONDS = 0.25
_RECYCLE_SECONDS = 600
_COLLECTED = (
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,  # one per partition when a run is made
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
)


class OpsEventLogStorage(PostgresEventLogStorage):
    """``PostgresEventLogStorage`` that keeps a connection open and writes many events at once.

    Dagster's own opens two or three connections for every event and writes each by itself, which
    cost more than the backups themselves (measured in docs/dagster.md). Here what comes in
    numbers, which is a run's materializations (planned and done), observations and log lines, is
    collected for a quarter of a second and then written in one transaction. Any other event is
    written at once, after what was collected, so the order stays and a run that has ended has all
    its events. Who kills the process loses a quarter of a second of them; the backups are in the
    store nonetheless.
    """

    def __init__(self, postgres_url: str) -> None:
        super().__init__(postgres_url)
        self._engine = create_pg_engine(
            postgres_url,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=-1,  # as without a pool; those above one are closed after use
            pool_pre_ping=True,  # the server may have been restarted
            pool_recycle=_RECYCLE_SECONDS,
        )
        self._tables: set[str] = set()
        self._collected: list[EventLogEntry] = []
        self._collecting = threading.Lock()
        self._writing = threading.Lock()
        self._timer: threading.Timer | None = None
        self._error: Exception | None = None

    def store_event(self, event: EventLogEntry) -> None:
        """Write an event, or collect it; raises what went wrong with those collected before."""
        in_numbers = event.dagster_event is None or event.dagster_event_type in _COLLECTED
        if in_numbers and event.run_id:  # what is reported outside of a run comes alone
            self._raise_error()
            self._collect(event)
        else:
            self.write_collected()
            self._raise_error()
            super().store_event(event)

    def write_collected(self) -> None:
        """Write what was collected, now. Never raises: the next :meth:`store_event` does."""
        with self._writing:
            with self._collecting:
                events, self._collected, self._timer = self._collected, [], None
            if not events:
                return
            try:
                self._write(events)
            except Exception as error:  # noqa: BLE001 - the timer's thread has nobody to tell
                self._error = error

    def dispose(self) -> None:
        """Write what was collected, and close the connection."""
        self.write_collected()
        super().dispose()
        self._engine.dispose()

    def has_table(self, table_name: str) -> bool:
        """Ask once: a table that is there stays there. Dagster asks for every event."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _collect(self, event: EventLogEntry) -> None:
        with self._collecting:
            self._collected.append(event)
            if self._timer is None:
                # Not a daemon: a process that ends waits for it.
                self._timer = threading.Timer(LONGEST_DELAY_SECONDS, self.write_collected)
                self._timer.start()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _write(self, events: Sequence[EventLogEntry]) -> None:
        """In one transaction: the events, their tags, and the newest of each asset with it."""
        insert = SqlEventLogStorageTable.insert().returning(
            SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
        )
        with self.index_transaction() as connection:
            result = connection.execute(insert, [self._event_to_row(event) for event in events])
            ids = [int(row[0]) for row in result]
            of_assets = [
                (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
                if event.dagster_event is not None and event.dagster_event.asset_key
            ]
            if not of_assets:
                return
            self._store_asset_event_tags(connection, *zip(*of_assets, strict=True))
            newest = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
                for event, event_id in of_assets
            }
            for event, event_id in newest.values():
                self._store_asset_event(connection, event, event_id)
