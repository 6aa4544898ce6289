"""age, between the compressed archive and its stored object, in either direction.

The library pulls from a reader and pushes to a writer, all in one call. Where we are pushed to
(writing), or pulled from (reading), that call is made in a thread of its own, and a pipe joins it
to ours: it makes the faster side wait, and tells either side when the other has ended.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Protocol

import pyrage
from pyrage.x25519 import Identity, Recipient

from agentarmy_ops.backups.pipes import open_pipe
from agentarmy_ops.errors import ArchiveError

READ_BYTES = 1 << 20


class Reader(Protocol):
    """What is read in pieces; an empty one is its end."""

    def read(self, size: int = ..., /) -> bytes:
        """At most ``size`` bytes."""
        ...


class _Source:
    """A reader that keeps its error: the library's own shows no more than its text."""

    def __init__(self, reader: Reader) -> None:
        self._read = reader.read
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._read(size)
        except BaseException as error:
            self.error = error
            raise


class _Target:
    """A writer into a sink that keeps the sink's error, as :class:`_Source` does."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self.error: BaseException | None = None

    def write(self, data: bytes, /) -> int:
        try:
            self._sink(data)
        except BaseException as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held."""


def encrypt(reader: Reader, recipients: Sequence[str], sink: Callable[[bytes], object]) -> None:
    """Read all of ``reader`` and give it to ``sink``, encrypted so that the identity of each of
    ``recipients`` decrypts it.

    Raises:
        BaseException: what the reader or the sink raised.
    """
    source, target = _Source(reader), _Target(sink)
    try:
        pyrage.encrypt_io(source, target, [Recipient.from_str(one) for one in recipients])
    except Exception as error:  # noqa: BLE001 - it is also how a reader's or a sink's error comes
        raise source.error or target.error or error from None


def decrypt(
    reader: Reader, identities: Sequence[Identity], sink: Callable[[bytes], object]
) -> None:
    """Read all of ``reader`` and give it to ``sink``, decrypted. What the sink was given was
    written by whoever knew a recipient; only when this returns was it all of it.

    Raises:
        ArchiveError: it is damaged, cut short, or for other identities.
        BaseException: what the reader or the sink raised.
    """
    source, target = _Source(reader), _Target(sink)
    try:
        pyrage.decrypt_io(source, target, identities)
    except Exception as error:  # noqa: BLE001 - as above
        damage = ArchiveError(f"the stored object is damaged: age says: {error}")
        raise source.error or target.error or damage from None


class Encryptor:
    """Encrypts what is written to it. ``sink`` is called in another thread, until :meth:`finish`
    or :meth:`abandon` returns; one of them has to be called."""

    def __init__(self, recipients: Sequence[str], sink: Callable[[bytes], object]) -> None:
        self._recipients = recipients
        self._sink = sink
        self._error: BaseException | None = None
        self._outlet, self._inlet = open_pipe()
        self._thread = Thread(target=self._run, name="age", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            encrypt(self._outlet, self._recipients, self._sink)
        except BaseException as error:  # noqa: BLE001 - raised again in the writing thread
            self._error = error
        finally:
            self._outlet.close()

    def write(self, data: bytes) -> None:
        """Add a piece; returns before it is encrypted.

        Raises:
            BaseException: what the sink raised, now or at an earlier piece.
        """
        try:
            self._inlet.write(data)
        except (BrokenPipeError, ValueError):  # the thread has ended; or had, and is joined
            self._end()
            raise

    def finish(self) -> None:
        """Wait until everything has gone to the sink.

        Raises:
            BaseException: what the sink raised.
        """
        self._end()

    def abandon(self) -> None:
        """End the thread, whatever becomes of what was written; does nothing after an end."""
        with suppress(BaseException):
            self._end()

    def _end(self) -> None:
        with suppress(BrokenPipeError):  # the thread has ended, and says why
            self._inlet.close()
        self._thread.join()
        if self._error is not None:
            raise self._error


@contextmanager
def decrypted(stored: Reader, identities: Sequence[Identity]) -> Iterator[io.BufferedReader]:
    """A stream of what ``stored``, an encrypted object, holds.

    It is read in another thread, and no more after the block.

    Raises:
        ArchiveError: while reading, when it is damaged, cut short, or for other identities.
        BaseException: while reading, what reading ``stored`` raised.
    """
    decryptor = _Decryptor(stored, identities)
    try:
        yield io.BufferedReader(decryptor, READ_BYTES)
    finally:
        decryptor.end()


class _Decryptor(io.RawIOBase):
    def __init__(self, stored: Reader, identities: Sequence[Identity]) -> None:
        self._stored = stored
        self._identities = identities
        self._error: BaseException | None = None
        self._outlet, self._inlet = open_pipe()
        self._thread = Thread(target=self._run, name="age", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            decrypt(self._stored, self._identities, self._inlet.write)
        except BaseException as error:  # noqa: BLE001 - raised again in the reading thread
            self._error = error
        finally:
            with suppress(BrokenPipeError):  # nobody reads on
                self._inlet.close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        count = self._outlet.readinto(buffer)
        if not count:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return count

    def end(self) -> None:
        self._outlet.close()
        self._thread.join()
