"""A store in a folder of a local (or mounted) file system.

An object is written under a random name in ``.partial``, made durable, and then given its own
name by link(2), which fails when that name is taken: create-only without a race. Every folder
is opened from the one above it with ``O_NOFOLLOW``, so that a symbolic link inside the store
never leads out of it.
"""

import os
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from agentarmy_ops.errors import ObjectExistsError, ObjectNotFoundError, StoreError
from agentarmy_ops.localfiles import explain, make_private_folder
from agentarmy_ops.stores.base import ObjectInfo, ObjectWriter
from agentarmy_ops.stores.names import split_name, split_prefix
from agentarmy_ops.stores.streams import open_reader, open_writer

_PARTIAL = ".partial"  # no object's name begins with a dot, so nothing in here is ever listed
_TRIES = 10  # each is lost to a delete() that removes the folder while it is still empty
_FOLDER = os.O_RDONLY | os.O_DIRECTORY

_Entries = list[tuple[str, os.stat_result]]


class LocalStore:
    """Objects as files below ``root``: files of mode 0600 in folders of mode 0700.

    ``root`` is made by the first :meth:`create`; until then the store is empty.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()

    def __repr__(self) -> str:
        return f"LocalStore({self.url})"

    @property
    def url(self) -> str:
        """``file:///absolute/path``."""
        return self._root.as_uri()

    @contextmanager
    def create(self, name: str) -> Iterator[ObjectWriter]:
        """Stream a new object; see :meth:`agentarmy_ops.stores.base.Store.create`."""
        *folders, leaf = split_name(name)
        with ExitStack() as stack:
            with self._errors("create", name):
                self._refuse_existing(folders, leaf)
                partials = stack.enter_context(self._folder([_PARTIAL], make=True))
                partial = uuid.uuid4().hex
                stack.callback(_unlink_quietly, partial, partials)
                descriptor = os.open(
                    partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=partials
                )
                writer = open_writer(descriptor, str(self._root / name))
                stack.callback(writer.abandon)
            yield writer
            with self._errors("create", name):
                writer.finish()
                self._publish(partial, partials, folders, leaf)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Stream an object's bytes; see :meth:`agentarmy_ops.stores.base.Store.open`."""
        *folders, leaf = split_name(name)
        try:
            with self._errors("read", name), self._folder(folders) as folder:
                descriptor = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
                reader = open_reader(descriptor, str(self._root / name))
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError | IsADirectoryError):
                raise ObjectNotFoundError(
                    f"{self._root / name} does not exist; list the store to see what it holds"
                ) from None
            raise
        with reader:
            yield reader

    def read(self, name: str) -> bytes:
        """An object's bytes, whole; see :meth:`agentarmy_ops.stores.base.Store.read`."""
        with self.open(name) as reader:
            return reader.read()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects below ``prefix``; see :meth:`agentarmy_ops.stores.base.Store.list`."""
        folders, start = split_prefix(prefix)
        yield from self._walk(folders, start)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """Next path segments; see :meth:`agentarmy_ops.stores.base.Store.list_folders`."""
        folders, start = split_prefix(prefix)
        if start:
            raise StoreError(f"{prefix!r} is not a folder of the store: end it with '/'")
        for name, status in sorted(self._entries(folders)):
            if stat.S_ISDIR(status.st_mode):
                yield name

    def delete(self, name: str) -> None:
        """Remove an object; see :meth:`agentarmy_ops.stores.base.Store.delete`.

        Folders left empty go too, as they would in an object store.
        """
        *folders, leaf = split_name(name)
        with self._errors("delete", name), suppress(FileNotFoundError, IsADirectoryError):
            with self._folder(folders) as folder:
                os.unlink(leaf, dir_fd=folder)
                os.fsync(folder)
            for depth in range(len(folders), 0, -1):
                with self._folder(folders[: depth - 1]) as above:
                    try:
                        os.rmdir(folders[depth - 1], dir_fd=above)
                    except OSError:  # it holds something: so do those above it
                        return

    def sweep(self, older_than: timedelta) -> int:
        """Remove what processes that were killed left in ``.partial``; returns how many files.

        A file written to within ``older_than`` is spared: it may still be growing.

        Raises:
            StoreError: the store cannot be read or written.
        """
        oldest = datetime.now(UTC) - older_than
        removed = 0
        with (
            self._errors("sweep", _PARTIAL),
            suppress(FileNotFoundError),  # nothing was ever stored
            self._folder([_PARTIAL]) as partials,
        ):
            for name, status in _scan(partials):
                if _modified(status) <= oldest:
                    with suppress(FileNotFoundError):  # finished since
                        os.unlink(name, dir_fd=partials)
                        removed += 1
        return removed

    @contextmanager
    def _errors(self, doing: str, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"cannot {doing} {self._root / name}: {explain(error)}") from error

    @contextmanager
    def _folder(self, folders: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder below the root. With ``make``, missing ones are made and
        the way down is made durable, also where another process has just made it."""
        if make:
            make_private_folder(self._root)
        descriptor = os.open(self._root, _FOLDER)  # the root itself may be a link
        try:
            for name in folders:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=descriptor)
                    os.fsync(descriptor)
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _refuse_existing(self, folders: Sequence[str], leaf: str) -> None:
        with suppress(FileNotFoundError), self._folder(folders) as folder:
            os.stat(leaf, dir_fd=folder, follow_symlinks=False)
            raise self._exists(folders, leaf)

    def _exists(self, folders: Sequence[str], leaf: str) -> ObjectExistsError:
        return ObjectExistsError(
            f"{self._root.joinpath(*folders, leaf)} exists already and was left as it is; "
            "objects are never replaced: use another name"
        )

    def _publish(self, partial: str, partials: int, folders: Sequence[str], leaf: str) -> None:
        for attempt in range(_TRIES):
            try:
                with self._folder(folders, make=True) as folder:
                    os.link(partial, leaf, src_dir_fd=partials, dst_dir_fd=folder)
                    try:
                        os.fsync(folder)
                    except OSError:
                        # Not durable, so not complete: the caller is told that it failed.
                        _unlink_quietly(leaf, folder)
                        raise
                    return
            except FileExistsError:
                raise self._exists(folders, leaf) from None
            except FileNotFoundError:
                if attempt == _TRIES - 1:
                    raise

    def _entries(self, folders: Sequence[str]) -> _Entries:
        """Names and states below a folder, without what begins with a dot; none when there is
        no such folder."""
        with self._errors("list", "/".join(folders)):
            try:
                with self._folder(folders) as folder:
                    return [entry for entry in _scan(folder) if not entry[0].startswith(".")]
            except FileNotFoundError:
                return []
            except NotADirectoryError:
                if self._root.is_dir():
                    return []  # an object, or a link: nothing is below it
                raise

    def _walk(self, folders: Sequence[str], start: str) -> Iterator[ObjectInfo]:
        entries = [
            (f"{name}/" if stat.S_ISDIR(status.st_mode) else name, status)
            for name, status in self._entries(folders)
            if name.startswith(start)
        ]
        # With its "/", a folder sorts where the names of the objects inside it belong.
        for name, status in sorted(entries, key=lambda entry: entry[0]):
            if name.endswith("/"):
                yield from self._walk([*folders, name[:-1]], "")
            elif stat.S_ISREG(status.st_mode):
                yield ObjectInfo("/".join([*folders, name]), status.st_size, _modified(status))


def _scan(folder: int) -> _Entries:
    found: _Entries = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # deleted since
                found.append((entry.name, entry.stat(follow_symlinks=False)))
    return found


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _unlink_quietly(name: str, folder: int) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)
