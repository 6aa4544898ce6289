"""Secrets as files, for development and for a single machine: one file per version."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import SecretStr

from agentarmy_ops.errors import SecretError, SecretExistsError, SecretNotFoundError
from agentarmy_ops.localfiles import explain, fsync_folder, make_private_folder
from agentarmy_ops.secrets.accepted import (
    VERSION,
    check_identifier,
    check_prefix,
    check_version,
    decode,
    encode,
)
from agentarmy_ops.secrets.base import Secret


class LocalSecretsStore:
    """Secrets below ``folder``: files ``{identifier}.{version}`` of mode 0600 in a folder of mode
    0700. An empty file is what is left of a destroyed version, to keep its number.

    A version is there whole or not at all. Nothing here ever shows a value.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()

    def __repr__(self) -> str:
        return f"LocalSecretsStore({self._folder.as_uri()})"

    def get(self, identifier: str) -> SecretStr:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.get`."""
        return self.access(identifier).value

    def access(self, identifier: str, version: str | None = None) -> Secret:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.access`."""
        check_identifier(identifier)
        if version is not None:
            check_version(identifier, version)
        with self._errors("read", identifier):
            wanted = [int(version)] if version else reversed(self._numbers(identifier))
            for number in wanted:
                if data := self._read(self._path(identifier, number)):
                    value = decode(identifier, str(number), data)
                    return Secret(identifier, str(number), value)
        which = f"version {version} of secret" if version else "secret"
        raise SecretNotFoundError(f"there is no {which} {identifier} in {self._folder}")

    def set(self, identifier: str, value: SecretStr) -> str:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.set`."""
        return self._add(identifier, value, first=False)

    def create(self, identifier: str, value: SecretStr) -> str:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.create`."""
        return self._add(identifier, value, first=True)

    def versions(self, identifier: str) -> Sequence[str]:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.versions`."""
        check_identifier(identifier)
        with self._errors("read", identifier):
            numbers = self._numbers(identifier)
            return [str(number) for number in numbers if self._is_there(identifier, number)]

    def list(self, prefix: str) -> Iterator[str]:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.list`."""
        check_prefix(prefix)
        with self._errors("list", f"{prefix}*"):
            names = {name.partition(".")[0] for name in self._names() if _number_of(name)}
        yield from sorted(name for name in names if name.startswith(prefix))

    def destroy(self, identifier: str, version: str) -> None:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.destroy`.

        Partial files of processes killed while they set this version go too: no copy is left.
        """
        check_identifier(identifier)
        check_version(identifier, version)
        path = self._path(identifier, int(version))
        with self._errors("destroy", identifier), suppress(FileNotFoundError):
            status = path.lstat()
            for partial in self._partials(identifier):
                with suppress(FileNotFoundError):
                    if os.path.samestat(partial.lstat(), status):
                        partial.unlink()
            with self._written(identifier, b"") as nothing:
                nothing.replace(path)
            fsync_folder(self._folder)

    def delete(self, identifier: str) -> None:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.delete`.

        Partial files of processes killed while they set this secret go too: no copy is left.
        """
        check_identifier(identifier)
        with self._errors("delete", identifier):
            if not self._folder.is_dir():
                return
            # The newest goes last: if this is killed, an older one is not taken for the newest.
            versions = [self._path(identifier, number) for number in self._numbers(identifier)]
            for path in (*self._partials(identifier), *versions):
                path.unlink(missing_ok=True)
            fsync_folder(self._folder)

    def _add(self, identifier: str, value: SecretStr, *, first: bool) -> str:
        check_identifier(identifier)
        data = encode(identifier, value)
        with self._errors("write", identifier):
            make_private_folder(self._folder)
            with self._written(identifier, data) as partial:
                while True:
                    numbers = self._numbers(identifier)
                    if first and any(self._is_there(identifier, number) for number in numbers):
                        raise SecretExistsError(
                            f"secret {identifier} is in {self._folder} already; nothing was stored"
                        )
                    number = max(numbers, default=0) + 1
                    # Whoever sets it at the same time has seen the same numbers, and links to
                    # the same name: one of them does, the others look again.
                    with suppress(FileExistsError):
                        self._path(identifier, number).hardlink_to(partial)
                        break
            fsync_folder(self._folder)
        return str(number)

    @contextmanager
    def _written(self, identifier: str, data: bytes) -> Iterator[Path]:
        """A partial file that holds ``data``, durably; gone at the end."""
        partial = self._folder / f".{identifier}.{uuid.uuid4().hex}"
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    def _path(self, identifier: str, number: int) -> Path:
        return self._folder / f"{identifier}.{number}"

    def _partials(self, identifier: str) -> Iterator[Path]:
        return self._folder.glob(f".{identifier}.*")

    def _names(self) -> Iterator[str]:
        try:
            yield from os.listdir(self._folder)  # noqa: PTH208 - thousands of names, no paths
        except FileNotFoundError:
            return

    def _numbers(self, identifier: str) -> Sequence[int]:
        """Numbers ever given to a version of this secret, in order."""
        start = f"{identifier}."
        found = [_number_of(name) for name in self._names() if name.startswith(start)]
        return sorted(number for number in found if number)

    def _is_there(self, identifier: str, number: int) -> bool:
        with suppress(FileNotFoundError):
            return self._path(identifier, number).lstat().st_size > 0
        return False

    @staticmethod
    def _read(path: Path) -> bytes:
        """What the file holds; nothing where there is none."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return b""
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    @contextmanager
    def _errors(self, doing: str, identifier: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SecretError(
                f"cannot {doing} secret {identifier} in {self._folder}: {explain(error)}"
            ) from error


def _number_of(name: str) -> int:
    """The number of the version that a file of this name holds; 0 where it holds none."""
    identifier, _, number = name.partition(".")
    return int(number) if identifier and VERSION.fullmatch(number) else 0
