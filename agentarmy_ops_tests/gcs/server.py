"""The HTTP side: from requests to buckets, and what goes wrong on the way when a test asks."""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from agentarmy_ops_tests.gcs.bucket import QUANTUM, Bucket, RefusalError

_OBJECT = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)/o/([^/]+)")
_OBJECTS = re.compile(r"(?:/upload)?/storage/v1/b/([^/]+)/o")
_BUCKET = re.compile(r"/storage/v1/b/([^/]+)")
_IAM = re.compile(r"/storage/v1/b/([^/]+)/iam/testPermissions")
_PERMISSIONS = {
    "bucket": "storage.buckets.get",
    "start": "storage.objects.create",
    "metadata": "storage.objects.get",
    "media": "storage.objects.get",
    "list": "storage.objects.list",
    "delete": "storage.objects.delete",
    "patch": "storage.objects.update",
}
_PATHS = (_OBJECT, _OBJECTS, _IAM, _BUCKET)
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(?:(\d+)|\*)")


@dataclass
class Fault:
    """What happens to the next ``times`` requests of a kind, after ``after`` that go well.

    ``what`` is a status that is answered instead, or ``reset`` (the connection breaks before
    the request is looked at), ``lose`` (it is carried out, and the answer never arrives),
    ``partial`` (an upload stores but a part of the bytes), ``garble`` (it stores other bytes),
    ``forget`` (it has lost those before these), ``cut`` (half of an answer's body arrives),
    ``short`` (an object's last byte is missing, and nothing says so).
    """

    kind: str
    what: int | str
    times: int = 1
    after: int = 0

    def strikes(self) -> bool:
        """Whether this request is hit; counts it."""
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return self.times >= 0


@dataclass
class State:
    """What the handlers of all connections share."""

    buckets: dict[str, Bucket] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    # Whether who asks has a permission on a resource, both as IAM names them.
    allows: Callable[[str, str], bool] = lambda _permission, _resource: True

    def arrived(self, kind: str) -> int | str | None:
        """Write down a request; what is to go wrong with it."""
        with self.lock:
            self.requests.append(kind)
            for fault in self.faults:
                if fault.kind in (kind, "any") and fault.strikes():
                    return fault.what
        return None


class Server(ThreadingHTTPServer):
    """Serves :class:`State` on a free port of this machine."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = State()

    @property
    def url(self) -> str:
        """What ``STORAGE_EMULATOR_HOST`` is to be."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """Connections that break are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(split.query).items()}
        kind = _kind(self.command, split.path, query, self.headers.get("Content-Range") or "")
        fault = self.server.state.arrived(kind)
        if fault == "reset":
            self._break()
            return
        if isinstance(fault, int):
            self._answer(fault, _error(fault, "injected", "injected"))
            return
        if fault == "partial":
            body = body[: max(QUANTUM, len(body) // 2 // QUANTUM * QUANTUM)]
        try:
            status, headers, answer = self._carry_out(kind, split.path, query, body, fault)
        except RefusalError as refusal:
            status, headers = refusal.status, {}
            answer = _error(status, refusal.reason, refusal.message)
        if fault == "lose":
            self._break()
        else:
            self._answer(status, answer, headers, cut=fault == "cut")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _any  # noqa: N815 - http.server names them

    def _carry_out(  # noqa: PLR0911 - one for each kind of request
        self, kind: str, path: str, query: dict[str, str], body: bytes, fault: int | str | None
    ) -> tuple[int, dict[str, str], bytes]:
        match = next((found for each in _PATHS if (found := each.fullmatch(path))), None)
        if match is None:
            raise RefusalError(501, "notImplemented", f"{self.command} {path} is not served")
        bucket = self.server.state.buckets.get(match[1])
        if bucket is None:
            raise RefusalError(404, "notFound", "The specified bucket does not exist.")
        name = unquote(match[2]) if match.re is _OBJECT else ""
        expected = int(query["ifGenerationMatch"]) if "ifGenerationMatch" in query else None
        generation = int(query["generation"]) if "generation" in query else None
        if match.re is _IAM:
            granted = {"permissions": bucket.permissions}
            return 200, {}, json.dumps(granted).encode()
        self._check_permission(
            kind, bucket.name, json.loads(body)["name"] if kind == "start" else name
        )
        if kind == "start":
            metadata = json.loads(body)
            metadata["contentType"] = self.headers["X-Upload-Content-Type"]
            upload_id = bucket.start(metadata["name"], metadata, expected)
            host = self.headers["Host"]
            return 200, {"Location": f"http://{host}{self.path}&upload_id={upload_id}"}, b""
        if kind in ("chunk", "last", "status"):
            return self._upload(bucket, query["upload_id"], body, fault)
        if kind == "cancel":
            bucket.cancel(query["upload_id"])
            return 499, {}, b""
        if kind == "bucket":
            return 200, {}, json.dumps({"name": bucket.name}).encode()
        if kind == "list":
            answer = bucket.page(
                query.get("prefix", ""),
                query.get("delimiter", ""),
                query.get("pageToken", ""),
                int(query.get("maxResults", 1000)),
            )
            return 200, {}, json.dumps(_only(answer, query.get("fields"))).encode()
        if kind == "media":
            data, resource = bucket.get(name, generation)
            return self._media(data[:-1] if fault == "short" else data, resource)
        if kind == "delete":
            bucket.delete(name, expected)
            return 204, {}, b""
        if kind == "patch":
            return 200, {}, json.dumps(bucket.patch(name, json.loads(body))).encode()
        _, resource = bucket.get(name, generation)
        return 200, {}, json.dumps(_only(resource, query.get("fields"))).encode()

    def _check_permission(self, kind: str, bucket: str, name: str) -> None:
        """What goes on with an upload needs none: its address is the permission."""
        if kind not in _PERMISSIONS:
            return
        permission, resource = _PERMISSIONS[kind], f"projects/_/buckets/{bucket}"
        if kind not in ("list", "bucket"):
            resource += f"/objects/{name}"
        if not self.server.state.allows(permission, resource):
            raise RefusalError(
                403, "forbidden", f"The caller does not have {permission} access to {resource}."
            )

    def _upload(
        self, bucket: Bucket, upload_id: str, body: bytes, fault: int | str | None
    ) -> tuple[int, dict[str, str], bytes]:
        match = _RANGE.fullmatch(self.headers["Content-Range"])
        assert match is not None
        first, last, total = (None if part is None else int(part) for part in match.groups())
        if first is None and total is not None:
            first = total  # no bytes, and the end is known: complete it
        if fault != "partial" and last is not None and first is not None:
            assert len(body) == last - first + 1
            assert total is not None or len(body) % QUANTUM == 0
        found = re.search(r"crc32c=([^,]+)", self.headers.get("x-goog-hash") or "")
        if fault == "garble":
            body, found = bytes([body[0] ^ 1]) + body[1:], None
        if fault == "forget":
            bucket.uploads[upload_id].received.clear()
        upload = bucket.receive(upload_id, body, first, total, found[1] if found else None)
        if upload.resource is not None:
            return 200, {}, json.dumps(upload.resource).encode()
        have = len(upload.received)
        return 308, {"Range": f"bytes=0-{have - 1}"} if have else {}, b""

    def _media(self, data: bytes, resource: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        headers = {"X-Goog-Generation": resource["generation"]}
        if "contentEncoding" in resource:
            headers["Content-Encoding"] = resource["contentEncoding"]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            return 200, headers | {"X-Goog-Hash": f"crc32c={resource['crc32c']}"}, data
        first = int(asked[1])
        if first >= len(data):
            raise RefusalError(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
        part = data[first : int(asked[2]) + 1 if asked[2] else None]
        headers["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        return 206, headers, part

    def _answer(
        self, status: int, body: bytes, headers: Mapping[str, str] = {}, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self.close_connection = True

    def _break(self) -> None:
        """End the connection with a reset, as a router that fell over does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _kind(method: str, path: str, query: dict[str, str], content_range: str) -> str:
    """What a request is for, in one word."""
    if "upload_id" in query:
        if method == "DELETE":
            return "cancel"
        sends = "chunk" if content_range.endswith("/*") else "last"
        return "status" if content_range == "bytes */*" else sends
    if method == "GET":
        if query.get("alt") == "media":
            return "media"
        if _BUCKET.fullmatch(path):
            return "bucket"
        return "list" if _OBJECTS.fullmatch(path) else "metadata"
    return {"POST": "start", "DELETE": "delete", "PATCH": "patch"}.get(method, method)


def _error(status: int, reason: str, message: str) -> bytes:
    detail = {"domain": "global", "reason": reason, "message": message}
    return json.dumps({"error": {"code": status, "message": message, "errors": [detail]}}).encode()


def _only(answer: dict[str, Any], fields: str | None) -> dict[str, Any]:
    """The fields a request asks for: ``items(name,size),nextPageToken``."""
    if fields is None:
        return answer
    wanted = dict(re.findall(r"(\w+)(?:\(([^)]*)\))?", fields))
    kept: dict[str, Any] = {key: answer[key] for key in wanted if key in answer}
    for key, inner in wanted.items():
        if inner and key in kept:
            kept[key] = [{k: v for k, v in it.items() if k in inner.split(",")} for it in kept[key]]
    return kept
