"""An object of Cloud Storage as a stream, checked against its CRC32C."""

import io
from typing import TYPE_CHECKING, BinaryIO

from google.api_core.retry import Retry
from google.cloud.storage import Blob

from agentarmy_ops.errors import StoreError
from agentarmy_ops.stores import crc32c
from agentarmy_ops.stores.gcs_errors import DAMAGED, explained

if TYPE_CHECKING:
    from typing_extensions import Buffer


class _StoredObject(io.RawIOBase):
    """Asks for a part at a time: a stream that waits for its consumer holds no connection."""

    def __init__(self, blob: Blob, url: str, *, chunk_bytes: int, retry: Retry) -> None:
        self._blob = blob
        self._url = url
        self._chunk_bytes = chunk_bytes
        self._retry = retry
        self._part = memoryview(b"")
        self._fetched = 0
        self._crc = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        if not self._part and self._fetched < self._blob.size:
            self._part = memoryview(self._fetch())
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._part))
        target[:count] = self._part[:count]
        self._part = self._part[count:]
        return count

    def _fetch(self) -> bytes:
        end = min(self._fetched + self._chunk_bytes, self._blob.size)
        with explained("read", self._url):
            # Of the generation that was opened, so that all parts are of one object.
            data: bytes = self._blob.download_as_bytes(
                start=self._fetched,
                end=end - 1,
                raw_download=True,
                checksum=None,
                retry=self._retry,
            )
        self._crc = crc32c.extend(self._crc, data)
        self._fetched = end
        # Before the last part is handed out; also tells when a part came short.
        if end == self._blob.size and crc32c.encode(self._crc) != self._blob.crc32c:
            raise StoreError(f"cannot read {self._url}: {DAMAGED}")
        return data


def open_reader(blob: Blob, url: str, *, chunk_bytes: int, retry: Retry) -> BinaryIO:
    """A buffered reader of ``blob``, whose size and checksum are known; ``url`` is for
    messages."""
    raw = _StoredObject(blob, url, chunk_bytes=chunk_bytes, retry=retry)
    return io.BufferedReader(raw, 1024 * 1024)
