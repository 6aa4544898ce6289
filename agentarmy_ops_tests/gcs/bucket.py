"""One bucket: its objects, unfinished uploads, and the rules that Cloud Storage has for them.

What is served by packages of this kind takes every write and every delete. Here a precondition
that does not hold is 412, an object under a hold or in its retention period stays, and a page
of a listing has an end.
"""

import base64
import bisect
import secrets
import struct
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import google_crc32c

QUANTUM = 256 * 1024  # bytes; what is stored of an unfinished upload is a multiple of it


class RefusalError(Exception):
    """An answer that is an error: status, reason and message as the JSON API words them."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


@dataclass
class Upload:
    """A resumable upload under way."""

    name: str
    metadata: dict[str, Any]
    precondition: int | None
    received: bytearray = field(default_factory=bytearray)
    resource: dict[str, Any] | None = None


@dataclass
class Bucket:
    """Objects by name. Every method may be called from many threads."""

    name: str
    retention: timedelta = timedelta(0)
    page_size: int = 1000
    permissions: list[str] = field(
        default_factory=lambda: [f"storage.objects.{verb}" for verb in ("create", "get", "list")]
    )
    objects: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _generation: int = 1_700_000_000_000_000
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self, name: str, metadata: dict[str, Any], precondition: int | None) -> str:
        """Begin an upload; returns its id."""
        with self._lock:
            self._check_generation(name, precondition)
            upload_id = secrets.token_hex(16)
            self.uploads[upload_id] = Upload(name, metadata, precondition)
            return upload_id

    def receive(
        self, upload_id: str, data: bytes, start: int | None, total: int | None, crc32c: str | None
    ) -> Upload:
        """Take bytes from ``start`` on (None: only say what is there); complete at ``total``."""
        with self._lock:
            upload = self._upload(upload_id)
            if upload.resource is not None:
                return upload
            have = len(upload.received)
            if start is not None:
                if start > have:
                    raise RefusalError(503, "backendError", "bytes before these are missing")
                upload.received += data[have - start :]  # what is there already is passed over
            if total is None:  # an upload that goes on keeps whole quanta only
                del upload.received[len(upload.received) // QUANTUM * QUANTUM :]
            elif len(upload.received) == total:
                content = bytes(upload.received)
                if crc32c is not None and crc32c != checksum(content):
                    raise RefusalError(
                        400, "invalid", "Provided CRC32C does not match the content."
                    )
                upload.resource = self.put(
                    upload.name, content, upload.metadata, upload.precondition
                )
                upload.received = bytearray()
            return upload

    def cancel(self, upload_id: str) -> None:
        """Forget an upload."""
        with self._lock:
            self._upload(upload_id)
            del self.uploads[upload_id]

    def _upload(self, upload_id: str) -> Upload:
        try:
            return self.uploads[upload_id]
        except KeyError:
            raise RefusalError(404, "notFound", "Not Found") from None

    def put(
        self,
        name: str,
        data: bytes,
        metadata: dict[str, Any] | None = None,
        precondition: int | None = None,
    ) -> dict[str, Any]:
        """Store an object, whole; returns its resource."""
        with self._lock:
            self._check_generation(name, precondition)
            self._check_protection(name)
            if name not in self.objects:
                bisect.insort(self._names, name)
            self._generation += 1
            now = datetime.now(UTC)
            resource = {
                **(metadata or {}),
                "name": name,
                "bucket": self.name,
                "generation": str(self._generation),
                "metageneration": "1",
                "size": str(len(data)),
                "crc32c": checksum(data),
                "timeCreated": now.isoformat().replace("+00:00", "Z"),
            }
            if self.retention:
                expires = now + self.retention
                resource["retentionExpirationTime"] = expires.isoformat().replace("+00:00", "Z")
            self.objects[name] = data, resource
            return resource

    def get(self, name: str, generation: int | None = None) -> tuple[bytes, dict[str, Any]]:
        """An object's bytes and resource."""
        with self._lock:
            data, resource = self.objects.get(name, (b"", None))
            if resource is None or generation not in (None, int(resource["generation"])):
                raise RefusalError(404, "notFound", f"No such object: {self.name}/{name}")
            return data, resource

    def damage(self, name: str) -> None:
        """Change the first byte of an object, which keeps its checksum."""
        with self._lock:
            data, resource = self.objects[name]
            self.objects[name] = bytes([data[0] ^ 1]) + data[1:], resource

    def patch(self, name: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change an object's resource: its holds, for example."""
        with self._lock:
            _, resource = self.get(name)
            resource.update(changes)
            return resource

    def delete(self, name: str, precondition: int | None) -> None:
        """Remove an object."""
        with self._lock:
            self.get(name)
            self._check_generation(name, precondition)
            self._check_protection(name)
            del self.objects[name]
            self._names.remove(name)

    def page(self, prefix: str, delimiter: str, token: str, limit: int) -> dict[str, Any]:
        """One page of a listing, from after the name ``token`` on."""
        with self._lock:
            at = bisect.bisect_left(self._names, max(prefix, token))
            items: list[dict[str, Any]] = []
            prefixes: list[str] = []
            last = ""
            for name in self._names[at:]:
                if not name.startswith(prefix):
                    break
                folder, found, _ = name[len(prefix) :].partition(delimiter or "\0")
                entry = prefix + folder + delimiter if found else name
                if entry <= token or (prefixes and prefixes[-1] == entry):
                    continue
                if len(items) + len(prefixes) == min(limit, self.page_size):
                    return {"items": items, "prefixes": prefixes, "nextPageToken": last}
                last = entry
                if found:
                    prefixes.append(entry)
                else:
                    items.append(self.objects[name][1])
            return {"items": items, "prefixes": prefixes}

    def _check_generation(self, name: str, expected: int | None) -> None:
        there = int(self.objects[name][1]["generation"]) if name in self.objects else 0
        if expected not in (None, there):
            raise RefusalError(
                412, "conditionNotMet", "At least one of the pre-conditions did not hold."
            )

    def _check_protection(self, name: str) -> None:
        resource = self.objects[name][1] if name in self.objects else {}
        for kind, words in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
            if resource.get(kind):
                raise RefusalError(
                    403,
                    "objectUnderActiveHold",
                    f"Object '{self.name}/{name}' is under active {words} hold and cannot be "
                    "deleted, overwritten or archived until hold is removed.",
                )
        own = resource.get("retention", {}).get("retainUntilTime", "")
        expires = max(resource.get("retentionExpirationTime", ""), own)
        if expires and datetime.fromisoformat(expires) > datetime.now(UTC):
            raise RefusalError(
                403,
                "retentionPolicyNotMet",
                f"Object '{self.name}/{name}' is subject to bucket's retention policy or object "
                f"retention and cannot be deleted or overwritten until {expires}",
            )


def checksum(data: bytes) -> str:
    """CRC32C as the JSON API writes it."""
    return base64.b64encode(struct.pack(">I", google_crc32c.value(data))).decode()
