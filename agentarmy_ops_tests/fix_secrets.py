"""Google Secret Manager, as far as its documentation says how it behaves, for the real client.

https://cloud.google.com/secret-manager/docs/reference/rpc/google.cloud.secretmanager.v1
"""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NoReturn

import google_crc32c
import grpc
import pytest
from google.cloud import secretmanager_v1 as api
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcTransport,
)
from google.protobuf.empty_pb2 import Empty

from agentarmy_ops.secrets.google_call import Attempts
from agentarmy_ops.secrets.secret_manager import GoogleSecretManagerStore

PROJECT = "acme-ops-42"
# Answers name the project by its number, whatever the question did.
NUMBER = "1234567890"
_NUMBER = f"projects/{NUMBER}"
_SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
_State = api.SecretVersion.State
_SOON = Attempts(seconds=20, attempt_seconds=10, first_wait_seconds=0.001)


@dataclass
class Version:
    data: bytes
    state: Any = _State.ENABLED


@dataclass
class Kept:
    labels: dict[str, str]
    versions: dict[int, Version] = field(default_factory=dict)
    delays_destruction: bool = False


@dataclass
class Fault:
    """What goes wrong with calls of a method: ``left`` of them end with ``code``; ``done`` says
    whether what they asked for is done all the same."""

    method: str
    code: grpc.StatusCode
    left: int
    details: str
    done: bool


class _AnswerError(Exception):
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


class SecretManager:
    """The server. ``secrets`` is what it keeps, ``calls`` the methods called, in order."""

    page_size = 3

    def __init__(self) -> None:
        self.secrets: dict[str, Kept] = {}
        self.calls: list[str] = []
        self.denied: set[str] = set()
        # Whether who asks has a permission on a resource, both as IAM names them.
        self.allows: Callable[[str, str], bool] = lambda _permission, _resource: True
        self.faults: list[Fault] = []
        self.damaged = False
        # Called before a method is carried out: for what happens in between.
        self.before: Callable[[str], None] = lambda _: None
        self._seen: dict[str, Kept] | None = None
        self._lock = threading.RLock()
        self._channels: list[Any] = []
        self._server = grpc.server(ThreadPoolExecutor(24))
        self._server.add_generic_rpc_handlers([self._handlers()])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def store(self, **keywords: Any) -> GoogleSecretManagerStore:
        """A store with a client of its own."""
        defaults: dict[str, Any] = {"client": self.client, "attempts": _SOON}
        return GoogleSecretManagerStore(PROJECT, **{**defaults, **keywords})

    def fail(
        self,
        method: str,
        code: grpc.StatusCode,
        *,
        times: int = 1,
        details: str = "injected",
        done: bool = False,
    ) -> None:
        self.faults.append(Fault(method, code, times, details, done))

    def lag(self) -> None:
        """From now on lists and ``latest`` show what there is now."""
        self._seen = deepcopy(self.secrets)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()
        self._server.stop(1).wait()

    def client(self) -> api.SecretManagerServiceClient:
        """The real client, of this server."""
        self._channels.append(grpc.insecure_channel(self.address))
        return client_over(self._channels[-1])

    def _handlers(self) -> Any:
        methods: dict[str, tuple[Callable[[Any], Any], Any, Any, str]] = {
            "CreateSecret": (self._create, api.CreateSecretRequest, api.Secret, "secrets.create"),
            "ListSecrets": (
                self._list,
                api.ListSecretsRequest,
                api.ListSecretsResponse,
                "secrets.list",
            ),
            "DeleteSecret": (self._delete, api.DeleteSecretRequest, Empty, "secrets.delete"),
            "AddSecretVersion": (
                self._add,
                api.AddSecretVersionRequest,
                api.SecretVersion,
                "versions.add",
            ),
            "AccessSecretVersion": (
                self._access,
                api.AccessSecretVersionRequest,
                api.AccessSecretVersionResponse,
                "versions.access",
            ),
            "GetSecretVersion": (
                self._get,
                api.GetSecretVersionRequest,
                api.SecretVersion,
                "versions.get",
            ),
            "ListSecretVersions": (
                self._list_versions,
                api.ListSecretVersionsRequest,
                api.ListSecretVersionsResponse,
                "versions.list",
            ),
            "DestroySecretVersion": (
                self._destroy,
                api.DestroySecretVersionRequest,
                api.SecretVersion,
                "versions.destroy",
            ),
        }
        handlers = {
            method: grpc.unary_unary_rpc_method_handler(
                self._answering(method, permission, answer),
                request_deserializer=request.deserialize,
                response_serializer=(
                    Empty.SerializeToString if response is Empty else response.serialize
                ),
            )
            for method, (answer, request, response, permission) in methods.items()
        }
        return grpc.method_handlers_generic_handler(_SERVICE, handlers)

    def _answering(
        self, method: str, permission: str, answer: Callable[[Any], Any]
    ) -> Callable[[Any, Any], Any]:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            self.before(method)
            with self._lock:
                self.calls.append(method)
                asked = f"secretmanager.{permission}"
                if permission in self.denied or not self.allows(asked, _resource(request)):
                    context.abort(
                        grpc.StatusCode.PERMISSION_DENIED,
                        f"Permission '{asked}' denied for resource",
                    )
                fault = next((f for f in self.faults if f.method == method and f.left), None)
                if fault:
                    fault.left -= 1
                    if fault.done:
                        answer(request)
                    context.abort(fault.code, fault.details)
                try:
                    return answer(request)
                except _AnswerError as error:
                    context.abort(error.code, error.details)

        return handle

    def _create(self, request: api.CreateSecretRequest) -> api.Secret:
        identifier = request.secret_id
        _check_project(request.parent)
        if not re.fullmatch("[A-Za-z0-9_-]{1,255}", identifier):
            _refuse("INVALID_ARGUMENT", "secret_id")
        if "automatic" not in request.secret.replication:
            _refuse("INVALID_ARGUMENT", "replication is missing")
        if identifier in self.secrets:
            _refuse("ALREADY_EXISTS", f"Secret [{_NUMBER}/secrets/{identifier}] already exists.")
        self.secrets[identifier] = Kept(dict(request.secret.labels))
        return api.Secret(name=f"{_NUMBER}/secrets/{identifier}")

    def _list(self, request: api.ListSecretsRequest) -> api.ListSecretsResponse:
        _check_project(request.parent)
        field_name, colon, part = request.filter.partition(":")
        if request.filter and (field_name, colon) != ("name", ":"):
            _refuse("INVALID_ARGUMENT", "filter")
        # The newest first, as an order that nobody should rely on.
        names = [name for name in reversed(self._shown()) if part in name]
        page, token = self._page(names, request.page_token)
        return api.ListSecretsResponse(
            secrets=[api.Secret(name=f"{_NUMBER}/secrets/{name}") for name in page],
            next_page_token=token,
        )

    def _delete(self, request: api.DeleteSecretRequest) -> Empty:
        self._kept(request.name)
        del self.secrets[request.name.split("/")[3]]
        return Empty()

    def _add(self, request: api.AddSecretVersionRequest) -> api.SecretVersion:
        kept, data = self._kept(request.parent), request.payload.data
        if not 1 <= len(data) <= 65_536:
            _refuse("INVALID_ARGUMENT", "Secret Payload cannot be empty or too large.")
        if request.payload.data_crc32c != google_crc32c.value(data):
            _refuse("INVALID_ARGUMENT", "checksum")
        number = max(kept.versions, default=0) + 1
        kept.versions[number] = Version(data)
        return self._described(request.parent.split("/")[3], number, kept.versions[number])

    def _access(self, request: api.AccessSecretVersionRequest) -> api.AccessSecretVersionResponse:
        identifier, number, version = self._version(request.name)
        if version.state is not _State.ENABLED:
            _refuse("FAILED_PRECONDITION", f"Secret Version is in {version.state.name} state.")
        checksum = google_crc32c.value(version.data)
        data = version.data[:-1] + b"?" if self.damaged else version.data
        return api.AccessSecretVersionResponse(
            name=f"{_NUMBER}/secrets/{identifier}/versions/{number}",
            payload=api.SecretPayload(data=data, data_crc32c=checksum),
        )

    def _get(self, request: api.GetSecretVersionRequest) -> api.SecretVersion:
        return self._described(*self._version(request.name))

    def _list_versions(
        self, request: api.ListSecretVersionsRequest
    ) -> api.ListSecretVersionsResponse:
        identifier = request.parent.split("/")[3]
        self._kept(request.parent)
        versions = self._shown()[identifier].versions if identifier in self._shown() else {}
        page, token = self._page(sorted(versions, reverse=True), request.page_token)
        return api.ListSecretVersionsResponse(
            versions=[self._described(identifier, number, versions[number]) for number in page],
            next_page_token=token,
        )

    def _destroy(self, request: api.DestroySecretVersionRequest) -> api.SecretVersion:
        identifier, number, version = self._version(request.name)
        if version.state is _State.DESTROYED:
            _refuse("FAILED_PRECONDITION", "Secret Version is already destroyed.")
        if self.secrets[identifier].delays_destruction:
            version.state = _State.DISABLED
        else:
            version.state, version.data = _State.DESTROYED, b""
        return self._described(identifier, number, version)

    def _shown(self) -> dict[str, Kept]:
        return self.secrets if self._seen is None else self._seen

    def _kept(self, name: str, among: dict[str, Kept] | None = None) -> Kept:
        _, project, _, identifier = name.split("/")[:4]
        secrets = self.secrets if among is None else among
        if project != PROJECT or identifier not in secrets:
            _refuse("NOT_FOUND", f"Secret [{name}] not found or has no versions.")
        return secrets[identifier]

    def _version(self, name: str) -> tuple[str, int, Version]:
        which = name.split("/")[5]
        kept = self._kept(name, self._shown() if which == "latest" else None)
        number = max(kept.versions, default=0) if which == "latest" else int(which)
        if number not in kept.versions:
            _refuse("NOT_FOUND", f"Secret Version [{name}] not found.")
        return name.split("/")[3], number, kept.versions[number]

    def _page(self, found: list[Any], token: str) -> tuple[list[Any], str]:
        start = int(token or 0)
        end = start + self.page_size
        return found[start:end], str(end) if end < len(found) else ""

    @staticmethod
    def _described(identifier: str, number: int, version: Version) -> api.SecretVersion:
        return api.SecretVersion(
            name=f"{_NUMBER}/secrets/{identifier}/versions/{number}", state=version.state
        )


def client_over(channel: Any) -> api.SecretManagerServiceClient:
    """The real client, over a gRPC channel to an address; also in another process."""
    return api.SecretManagerServiceClient(
        transport=SecretManagerServiceGrpcTransport(channel=channel)
    )


def _check_project(parent: str) -> None:
    if parent != f"projects/{PROJECT}":
        _refuse("NOT_FOUND", f"Project {parent} not found.")


def _resource(request: Any) -> str:
    """What a request is about, by the project's number."""
    name: str = getattr(request, "name", "") or request.parent
    return name.replace(f"projects/{PROJECT}", _NUMBER)


def _refuse(code: str, details: str) -> NoReturn:
    raise _AnswerError(grpc.StatusCode[code], details)


@pytest.fixture
def secret_manager() -> Iterator[SecretManager]:
    """A running server without secrets; ``secret_manager.store()`` is a store in it."""
    server = SecretManager()
    yield server
    server.close()
