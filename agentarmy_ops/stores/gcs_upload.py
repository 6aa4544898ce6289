"""One resumable upload to Cloud Storage, as its protocol has it.

The client's own file-like writer does not ask what has arrived: a chunk that was stored in
part ends it with an error, and a last one with none, though there is no object (ADR 17). This
one asks, and goes on from there.
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import re
from contextlib import suppress
from typing import Any

import requests
from google.api_core.exceptions import PreconditionFailed, from_http_response
from google.api_core.retry import Retry
from google.cloud.storage import Blob

from agentarmy_ops.errors import StoreError
from agentarmy_ops.stores import crc32c
from agentarmy_ops.stores.gcs_errors import FAILURES, exists_already, explained

_TIMEOUT = (60, 120)  # seconds: to connect; between one byte of an answer and the next
_CANCEL_TIMEOUT = 10  # seconds; an upload that is not cancelled expires by itself
_OK, _CREATED, _GO_ON = 200, 201, 308


class Upload:
    """Collects bytes and sends them in chunks of ``chunk_bytes``, a multiple of 256 KiB.

    A chunk is sent once more than it holds was written, so that the last request has bytes
    and whatever is aborted before it was never complete. At most one chunk, and what one call
    of :meth:`write` brings, is in memory.
    """

    def __init__(self, blob: Blob, url: str, *, chunk_bytes: int, retry: Retry) -> None:
        self._blob = blob
        self._url = url
        self._chunk_bytes = chunk_bytes
        self._retry = retry
        self._buffer = bytearray()
        self._crc = 0
        self._session: str | None = None  # a secret: whoever knows it can write to the object
        self._stored = 0  # bytes that the server has said it has
        self._complete = False
        self.size = 0

    @property
    def crc32c(self) -> str:
        """Of all bytes written so far, as the JSON API writes it."""
        return crc32c.encode(self._crc)

    def write(self, data: bytes | memoryview, /) -> int:
        """Append ``data``; returns its length in bytes.

        Raises:
            ObjectExistsError: another has made the object meanwhile.
            StoreError: the store did not take the bytes, however often it was tried.
        """
        view = memoryview(data).cast("B")
        for start in range(0, len(view), self._chunk_bytes):
            piece = bytes(view[start : start + self._chunk_bytes])
            self._crc = crc32c.extend(self._crc, piece)
            self._buffer += piece
            if len(self._buffer) > self._chunk_bytes:
                chunk = bytes(self._buffer[: self._chunk_bytes])
                del self._buffer[: self._chunk_bytes]
                with explained("write", self._url):
                    try:
                        self._send(chunk, last=False)
                    except PreconditionFailed:  # made since it was looked for
                        raise exists_already(self._url) from None
        self.size += len(view)
        return len(view)

    def finish(self) -> None:
        """Send what is left; the object is there, whole, when the server has said so.

        Raises what the client raises: the caller looks what became of the object.
        """
        self._send(bytes(self._buffer), last=True)
        self._buffer.clear()

    def cancel(self) -> None:
        """Give up an upload that is not complete: nothing of it can appear any more."""
        if self._session is not None and not self._complete:
            with suppress(*FAILURES):
                self._request("DELETE", b"", {}, timeout=_CANCEL_TIMEOUT)
        self._session = None

    def _send(self, data: bytes, *, last: bool) -> None:
        if self._session is None:
            # Without the retry that is handed over, the client would not try again.
            self._session = self._blob.create_resumable_upload_session(
                content_type="application/octet-stream",
                if_generation_match=0,
                checksum=None,
                retry=self._retry,
            )
        base, end = self._stored, self._stored + len(data)
        total = end if last else None
        answered = True

        def deliver() -> None:
            nonlocal answered
            if not answered:
                self._take(self._put(b"", "bytes */*"))  # what has arrived?
            answered = False
            while not self._complete and (last or self._stored < end):
                if not base <= self._stored <= end:
                    raise StoreError(
                        f"cannot write {self._url}: Cloud Storage lost bytes that it had; try again"
                    )
                before = self._stored
                rest = data[before - base :]
                span = f"{before}-{end - 1}" if rest else "*"
                self._take(self._put(rest, f"bytes {span}/{'*' if total is None else total}"))
                if self._stored == before and not self._complete:
                    raise requests.ConnectionError("no byte was taken")  # tried again
            answered = True

        self._retry(deliver)()

    def _put(self, data: bytes, content_range: str) -> requests.Response:
        headers = {"Content-Range": content_range}
        if not content_range.endswith("/*"):
            headers["x-goog-hash"] = f"crc32c={self.crc32c}"  # refused if it does not fit
        return self._request("PUT", data, headers, timeout=_TIMEOUT)

    def _take(self, answer: requests.Response) -> None:
        if answer.status_code in (_OK, _CREATED):
            self._complete = True
        elif answer.status_code == _GO_ON:
            found = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("Range", ""))
            self._stored = int(found[1]) + 1 if found else 0
        else:
            raise from_http_response(answer)

    def _request(
        self, method: str, data: bytes, headers: dict[str, str], timeout: Any
    ) -> requests.Response:
        transport: requests.Session = self._blob.client._http
        return transport.request(
            method, self._session or "", data=data, headers=headers, timeout=timeout
        )
