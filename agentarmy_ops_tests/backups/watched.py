"""Stores at which a test looks, or acts, while a backup is written to them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agentarmy_ops.stores.base import ObjectWriter, Store

Watch = Callable[[str], None]


class WatchedStore:
    """A store that calls ``watch`` with the name of each object that is about to be written."""

    def __init__(self, store: Store, watch: Watch) -> None:
        self._store = store
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def create(self, name: str) -> Iterator[ObjectWriter]:
        with self._store.create(name) as writer:
            self._watch(name)
            yield writer


class DuringDump:
    """A store that acts once, at the first bytes of the archive: pg_dump runs and waits then."""

    def __init__(self, store: Store, action: Callable[[], None]) -> None:
        self._store = store
        self._action = action

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def create(self, name: str) -> Iterator[ObjectWriter]:
        with self._store.create(name) as writer:
            yield _Acting(writer, self._action) if name.endswith(".zst") else writer


class _Acting:
    def __init__(self, writer: ObjectWriter, action: Callable[[], None]) -> None:
        self._writer = writer
        self._action: Callable[[], None] | None = action

    def write(self, data: bytes | memoryview, /) -> int:
        if self._action is not None:
            self._action()
            self._action = None
        return self._writer.write(data)
