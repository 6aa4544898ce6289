"""The requests to Google Secret Manager that are made here, one each."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import google_crc32c
from google.cloud import secretmanager_v1 as api
from pydantic import SecretStr

from agentarmy_ops.errors import SecretError, SecretExistsError, SecretNotFoundError
from agentarmy_ops.secrets.accepted import decode, encode
from agentarmy_ops.secrets.base import Secret
from agentarmy_ops.secrets.google_call import (
    ACCESS,
    ADD,
    CREATE,
    DELETE,
    DESTROY,
    LIST,
    STATE,
    VERSIONS,
    Action,
    Attempts,
    call,
)

T = TypeVar("T")

State = api.SecretVersion.State
_LABELS = {"managed-by": "agentarmy-ops"}


class GoogleProject:
    """The secrets of one project. Errors are those of
    :func:`~agentarmy_ops.secrets.google_call.call`."""

    def __init__(
        self,
        project: str,
        make_client: Callable[[], api.SecretManagerServiceClient],
        attempts: Attempts,
    ) -> None:
        self._project = project
        self._make_client = make_client
        self._attempts = attempts

    def access(self, identifier: str, version: str) -> Secret:
        """The version of that number, or ``latest``: the last one added, in whatever state."""
        name = self._name(identifier, version)
        found = self._do(
            ACCESS,
            identifier,
            lambda: self._client.access_secret_version(name=name, **self._trying()),
        )
        number = _last(found.name)
        if google_crc32c.value(found.payload.data) != found.payload.data_crc32c:
            raise SecretError(
                f"version {number} of secret {identifier} arrived damaged from "
                f"sm://{self._project}; try again"
            )
        return Secret(identifier, number, decode(identifier, number, found.payload.data))

    def make(self, identifier: str) -> bool:
        """Whether the secret was made here and now; it has no version then."""
        secret = api.Secret(
            replication=api.Replication(automatic=api.Replication.Automatic()), labels=_LABELS
        )
        try:
            self._do(
                CREATE,
                identifier,
                lambda: self._client.create_secret(
                    parent=self._parent, secret_id=identifier, secret=secret, **self._trying()
                ),
            )
        except SecretExistsError:
            return False
        return True

    def add(
        self,
        identifier: str,
        value: SecretStr,
        on_error: Callable[[Exception], object] | None = None,
    ) -> str:
        """Add a version; its number. ``on_error`` is told of each attempt that is repeated."""
        # The payload is made in there, so that no frame of an error's traceback holds it.
        added = self._do(
            ADD,
            identifier,
            lambda: self._client.add_secret_version(
                parent=self._name(identifier),
                payload=_payload(identifier, value),
                **self._trying(on_error),
            ),
        )
        return _last(added.name)

    def destroy(self, identifier: str, version: str) -> State:
        """Destroy a version; its state then."""
        name = self._name(identifier, version)
        left = self._do(
            DESTROY,
            identifier,
            lambda: self._client.destroy_secret_version(name=name, **self._trying()),
        )
        return left.state

    def state(self, identifier: str, version: str) -> State:
        """The state of a version."""
        name = self._name(identifier, version)
        found = self._do(
            STATE,
            identifier,
            lambda: self._client.get_secret_version(name=name, **self._trying()),
        )
        return found.state

    def states(self, identifier: str) -> dict[int, State]:
        """The state of each version by its number; none of a secret that is not there."""
        name = self._name(identifier)
        try:
            return self._do(
                VERSIONS,
                identifier,
                lambda: {
                    int(_last(version.name)): version.state
                    for version in self._client.list_secret_versions(parent=name, **self._trying())
                },
            )
        except SecretNotFoundError:
            return {}

    def names(self, part: str) -> Sequence[str]:
        """Identifiers that have ``part`` in them, in no order."""
        request = api.ListSecretsRequest(parent=self._parent, filter=f"name:{part}" if part else "")
        return call(
            LIST,
            f"secrets {part}*",
            self._project,
            lambda: [
                _last(secret.name)
                for secret in self._client.list_secrets(request=request, **self._trying())
            ],
        )

    def delete(self, identifier: str) -> None:
        """Delete the secret with all its versions."""
        name = self._name(identifier)
        self._do(
            DELETE, identifier, lambda: self._client.delete_secret(name=name, **self._trying())
        )

    @cached_property
    def _client(self) -> api.SecretManagerServiceClient:
        return self._make_client()

    @property
    def _parent(self) -> str:
        return f"projects/{self._project}"

    def _name(self, identifier: str, version: str | None = None) -> str:
        name = f"{self._parent}/secrets/{identifier}"
        return f"{name}/versions/{version}" if version else name

    def _do(self, action: Action, identifier: str, method: Callable[[], T]) -> T:
        return call(action, f"secret {identifier}", self._project, method)

    def _trying(self, on_error: Callable[[Exception], object] | None = None) -> dict[str, Any]:
        return {
            "retry": self._attempts.retry(on_error),
            "timeout": self._attempts.attempt_seconds,
        }


def _payload(identifier: str, value: SecretStr) -> api.SecretPayload:
    data = encode(identifier, value)
    return api.SecretPayload(data=data, data_crc32c=google_crc32c.value(data))


def _last(name: str) -> str:
    return name.rpartition("/")[2]
