"""Secrets as files, for development and for a single machine: one file per secret."""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from agentarmy_ops.errors import SecretError, SecretNotFoundError
from agentarmy_ops.localfiles import explain, fsync_folder, make_private_folder

# Of what Secret Manager accepts too; leaves room for the name of the partial file.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")


class LocalSecretsStore:
    """Secrets below ``folder``: files of mode 0600 in a folder of mode 0700.

    A new version replaces the old one at once or not at all. Nothing here ever shows a value.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()

    def __repr__(self) -> str:
        return f"LocalSecretsStore({self._folder.as_uri()})"

    def get(self, identifier: str) -> SecretStr:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.get`."""
        path = self._path(identifier)
        try:
            with self._errors("read", identifier):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
                with os.fdopen(descriptor, "rb") as file:
                    return SecretStr(file.read().decode())
        except UnicodeDecodeError:
            # Its text would show a part of the value; so would the chain of exceptions.
            raise SecretError(f"secret {identifier} in {path} is not UTF-8; set it again") from None

    def set(self, identifier: str, value: SecretStr) -> None:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.set`."""
        path = self._path(identifier)
        try:
            data = value.get_secret_value().encode()
        except UnicodeEncodeError:
            raise SecretError(f"secret {identifier} is not text; set another value") from None
        with self._errors("write", identifier):
            make_private_folder(self._folder)
            partial = self._folder / f".{identifier}.{uuid.uuid4().hex}"
            try:
                descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                partial.rename(path)
            finally:
                partial.unlink(missing_ok=True)
            fsync_folder(self._folder)

    def delete(self, identifier: str) -> None:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.delete`.

        Partial files of processes killed while they set this secret go too: after a deletion
        no copy of the value is left.
        """
        path = self._path(identifier)
        with self._errors("delete", identifier):
            if self._folder.is_dir():
                for found in (path, *self._folder.glob(f".{identifier}.*")):
                    found.unlink(missing_ok=True)
                fsync_folder(self._folder)

    def _path(self, identifier: str) -> Path:
        if not _IDENTIFIER.fullmatch(identifier):
            raise SecretError(
                f"{identifier!r} is not a secret's identifier: use up to 200 letters, digits, "
                "hyphens and underscores, such as acme-admin-password"
            )
        return self._folder / identifier

    @contextmanager
    def _errors(self, doing: str, identifier: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if doing == "read":
                raise SecretNotFoundError(
                    f"there is no secret {identifier} in {self._folder}; set it first"
                ) from None
            raise SecretError(self._message(doing, identifier, error)) from error
        except OSError as error:
            raise SecretError(self._message(doing, identifier, error)) from error

    def _message(self, doing: str, identifier: str, error: OSError) -> str:
        return f"cannot {doing} secret {identifier} in {self._folder}: {explain(error)}"
