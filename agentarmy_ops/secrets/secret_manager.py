"""Secrets in Google Secret Manager.

What it promises (https://cloud.google.com/secret-manager/docs/reference/consistency): a version
that was added can be accessed by its number at once. All else, ``latest`` and lists included,
may lag behind, by minutes as a rule. Where it matters, numbers are used here.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from pydantic import SecretStr

from agentarmy_ops.errors import SecretError, SecretExistsError, SecretNotFoundError
from agentarmy_ops.secrets.accepted import (
    check_identifier,
    check_prefix,
    check_version,
    encode,
)
from agentarmy_ops.secrets.base import Secret
from agentarmy_ops.secrets.google_call import Attempts, RefusedError
from agentarmy_ops.secrets.google_project import GoogleProject, State

_POLL_SECONDS = 0.1


class GoogleSecretManagerStore:
    """The secrets of a Google Cloud project, replicated as Google sees fit.

    ``client`` makes the client when it is first needed. ``patience_seconds`` is how long
    :meth:`create` waits for the first version of a secret that another process has just made.
    """

    def __init__(
        self,
        project: str,
        *,
        client: Callable[[], SecretManagerServiceClient] = SecretManagerServiceClient,
        attempts: Attempts | None = None,
        patience_seconds: float = 10,
    ) -> None:
        self._url = f"sm://{project}"
        self._project = GoogleProject(project, client, attempts or Attempts())
        self._patience_seconds = patience_seconds

    def __repr__(self) -> str:
        return f"GoogleSecretManagerStore({self._url})"

    def get(self, identifier: str) -> SecretStr:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.get`."""
        return self.access(identifier).value

    def access(self, identifier: str, version: str | None = None) -> Secret:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.access`.

        A disabled version is not there. A newer one may be there since some minutes.
        """
        check_identifier(identifier)
        if version is not None:
            check_version(identifier, version)
        try:
            return self._project.access(identifier, version or "latest")
        except RefusedError as error:
            refusal = error
        # It is disabled or destroyed, or the key that Google encrypts it with is.
        enabled = self.versions(identifier)
        if version is None and enabled:
            return self._project.access(identifier, enabled[-1])
        if version in enabled:
            raise refusal
        which = f"version {version} of secret" if version else "version of secret"
        raise SecretNotFoundError(
            f"there is no enabled {which} {identifier} in {self._url}; it was disabled or destroyed"
        )

    def set(self, identifier: str, value: SecretStr) -> str:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.set`."""
        check_identifier(identifier)
        encode(identifier, value)
        try:
            return self._project.add(identifier, value)
        except SecretNotFoundError:
            self._project.make(identifier)
        return self._project.add(identifier, value)

    def create(self, identifier: str, value: SecretStr) -> str:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.create`.

        The secret is made first, and of many processes only one makes it: that one adds the
        version, and the others wait for it. If it was killed in between, they add one after a
        while, and the lowest number wins. A secret with none but disabled versions exists:
        whoever disabled them may enable them again.
        """
        check_identifier(identifier)
        encode(identifier, value)
        if not self._project.make(identifier):
            self._wait_for_none(identifier)
        repeated: list[bool] = []
        own = int(self._project.add(identifier, value, lambda _: repeated.append(True)))
        # Lower numbers were given out before ours, and can be accessed by now. One is ours as
        # well where the reply to an attempt was lost.
        added = {own: True}
        for number in range(1, own):
            with suppress(SecretNotFoundError, RefusedError):
                other = self._project.access(identifier, str(number))
                added[number] = bool(repeated) and other.value == value
        first = min(added)
        for number, is_ours in added.items():
            if is_ours and number != first:
                self.destroy(identifier, str(number))
        if not added[first]:
            raise self._exists(identifier)
        return str(first)

    def versions(self, identifier: str) -> Sequence[str]:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.versions`."""
        check_identifier(identifier)
        states = self._project.states(identifier)
        return [str(number) for number in sorted(states) if states[number] == State.ENABLED]

    def list(self, prefix: str) -> Iterator[str]:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.list`."""
        check_prefix(prefix)
        found = self._project.names(prefix)
        yield from sorted(name for name in found if name.startswith(prefix))

    def destroy(self, identifier: str, version: str) -> None:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.destroy`.

        Raises:
            SecretError: among others, the secret was set up so that destruction is delayed: the
                version is disabled, but not gone.
        """
        check_identifier(identifier)
        check_version(identifier, version)
        try:
            try:
                state = self._project.destroy(identifier, version)
            except RefusedError:  # destroyed already?
                state = self._project.state(identifier, version)
        except SecretNotFoundError:
            return
        if state != State.DESTROYED:
            raise SecretError(
                f"version {version} of secret {identifier} in {self._url} is {state.name}, not "
                "DESTROYED: take the secret's destroy delay away (gcloud secrets update "
                f"{identifier} --remove-version-destroy-ttl), or delete the secret"
            )

    def delete(self, identifier: str) -> None:
        """See :meth:`agentarmy_ops.secrets.base.SecretsStore.delete`."""
        check_identifier(identifier)
        with suppress(SecretNotFoundError):
            self._project.delete(identifier)

    def _wait_for_none(self, identifier: str) -> None:
        """Return when the secret turns out to have no version.

        Raises:
            SecretExistsError: it has one, or was given one while we waited.
        """
        deadline = time.monotonic() + self._patience_seconds
        while True:
            states = self._project.states(identifier)
            if any(state != State.DESTROYED for state in states.values()):
                raise self._exists(identifier)
            if states:
                return  # there were some: nobody is about to add the first
            with suppress(SecretNotFoundError, RefusedError):
                self._project.access(identifier, "1")  # the list may lag behind
                raise self._exists(identifier)
            if time.monotonic() >= deadline:
                return
            time.sleep(_POLL_SECONDS)

    def _exists(self, identifier: str) -> SecretExistsError:
        return SecretExistsError(
            f"secret {identifier} is in {self._url} already; nothing was stored"
        )
