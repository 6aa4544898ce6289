"""A wire to a server that can be cut, and that can go silent."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Self

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.databases import open_socket


class Relay:
    """Listens on a TCP port of loopback and passes everything on to a PostgreSQL server's Unix
    socket: ``with Relay(conninfo) as relay``."""

    def __init__(self, server: ConnInfo) -> None:
        self.server = server
        self.port = 0
        self._silent = False
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def conninfo(self) -> ConnInfo:
        """The same database, by the wire."""
        params = {**self.server.params, "host": "127.0.0.1", "port": str(self.port)}
        return ConnInfo(params, self.server.password)

    def __enter__(self) -> Self:
        self._thread.start()
        self.mend()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """As a server that is stopped: connections are refused, open ones end."""
        self._do(self._cut())

    def go_silent(self) -> None:
        """As a server that hangs: connections are accepted, and nothing comes back."""
        self._silent = True
        self._do(self._listen())

    def mend(self) -> None:
        """All is well again, at the same port."""
        self._silent = False
        self._do(self._listen())

    def _do(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _listen(self) -> None:
        await self._drop()
        if self._listening is None:
            self._listening = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
            self.port = self._listening.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._listening:
            self._listening.close()
            self._listening = None
        await self._drop()

    async def _drop(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _end(self) -> None:
        await self._cut()
        # Theirs end with their connections.
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._silent:
                await writer.wait_closed()
                return
            server_reader, server_writer = await asyncio.open_connection(
                sock=open_socket(self.server)
            )
            self._open.add(server_writer)
            try:
                await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
            finally:
                self._forget(server_writer)
        finally:
            self._forget(writer)

    def _forget(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        self._open.discard(writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
