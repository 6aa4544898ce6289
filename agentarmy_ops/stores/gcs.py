"""A store in a bucket of Google Cloud Storage.

Objects are uploaded under the condition that there is none of that name, which also makes an
upload safe to repeat. See ``docs/storage.md`` for what the bucket and its roles should be.
"""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from google.api_core.exceptions import Forbidden, NotFound
from google.api_core.retry import Retry
from google.cloud.storage import Blob, Client
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from agentarmy_ops.errors import (
    ObjectHeldError,
    ObjectNotFoundError,
    StoreError,
)
from agentarmy_ops.stores.base import ObjectInfo, ObjectWriter
from agentarmy_ops.stores.gcs_errors import (
    FAILURES,
    bucket_is_missing,
    exists_already,
    explained,
    reason_of,
)
from agentarmy_ops.stores.gcs_reader import open_reader
from agentarmy_ops.stores.gcs_upload import Upload
from agentarmy_ops.stores.names import is_name, split_name, split_prefix

_CHUNK_BYTES = 8 * 1024 * 1024  # of memory for each object that is being written or read
_CONNECTIONS = 64  # kept open; as many threads can ask at once without connecting anew
_MADE_BY = "agentarmy-ops-upload"  # metadata of an object: which upload made it
_PROTECTION = "temporaryHold,eventBasedHold,retentionExpirationTime,retention"  # fields
_NEEDED = ("storage.objects.create", "storage.objects.get", "storage.objects.list")
_PROTECTED = ("objectUnderActiveHold", "retentionPolicyNotMet")


def default_client() -> Client:
    """A client with Application Default Credentials, or of ``STORAGE_EMULATOR_HOST``."""
    return Client(project=None)  # only requests about buckets need a project


class GcsStore:
    """Objects below ``gs://bucket/prefix``. One store may be used by many threads.

    The client is made when first needed. ``chunk_bytes`` is a multiple of 256 KiB; ``retry``
    says which failures are tried again and for how long (by default the client's: 408, 429,
    5xx and broken connections, after random and growing waits, for two minutes).
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        make_client: Callable[[], Client] = default_client,
        chunk_bytes: int = _CHUNK_BYTES,
        retry: Retry = DEFAULT_RETRY,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._make_client = make_client
        self._made: Client | None = None
        self._making = threading.Lock()
        self._chunk_bytes = chunk_bytes
        self._retry = retry

    def __repr__(self) -> str:
        return f"GcsStore({self.url})"

    @property
    def url(self) -> str:
        """``gs://bucket/prefix``."""
        return f"gs://{self._bucket}/{self._prefix}".rstrip("/")

    @contextmanager
    def create(self, name: str) -> Iterator[ObjectWriter]:
        """Stream a new object; see :meth:`agentarmy_ops.stores.base.Store.create`."""
        split_name(name)
        url = f"{self.url}/{name}"
        with explained("create", url):
            blob = self._blob(name)
            if blob.exists(retry=self._retry):
                raise exists_already(url)
        token = uuid.uuid4().hex
        blob.metadata = {_MADE_BY: token}
        upload = Upload(blob, url, chunk_bytes=self._chunk_bytes, retry=self._retry)
        try:
            yield upload
            with explained("create", url):
                self._finish(upload, name, token)
        except BaseException:
            upload.cancel()
            raise

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Stream an object's bytes; see :meth:`agentarmy_ops.stores.base.Store.open`."""
        split_name(name)
        with self._reading(name):
            blob = self._blob(name)
            blob.reload(retry=self._retry)
        url = f"{self.url}/{name}"
        with open_reader(blob, url, chunk_bytes=self._chunk_bytes, retry=self._retry) as reader:
            yield reader

    def read(self, name: str) -> bytes:
        """An object's bytes, whole; see :meth:`agentarmy_ops.stores.base.Store.read`."""
        split_name(name)
        with self._reading(name):  # one request; the client compares the CRC32C
            data: bytes = self._blob(name).download_as_bytes(
                raw_download=True, checksum="crc32c", retry=self._retry
            )
        return data

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects below ``prefix``; see :meth:`agentarmy_ops.stores.base.Store.list`.

        One request per thousand objects. What has no name of ours is passed over.
        """
        split_prefix(prefix)
        with explained("list", f"{self.url}/{prefix}"):
            for blob in self._client.list_blobs(
                self._bucket,
                prefix=self._prefix + prefix,
                fields=f"items(name,size,timeCreated,{_PROTECTION}),nextPageToken",
                retry=self._retry,
            ):
                name = blob.name.removeprefix(self._prefix)
                if is_name(name):
                    held = bool(_protection(blob))
                    yield ObjectInfo(name, blob.size, blob.time_created, held)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """Next path segments; see :meth:`agentarmy_ops.stores.base.Store.list_folders`."""
        _, start = split_prefix(prefix)
        if start:
            raise StoreError(f"{prefix!r} is not a folder of the store: end it with '/'")
        with explained("list", f"{self.url}/{prefix}"):
            found = self._client.list_blobs(
                self._bucket,
                prefix=self._prefix + prefix,
                delimiter="/",
                fields="prefixes,nextPageToken",
                retry=self._retry,
            )
            for page in found.pages:
                for folder in page.prefixes:
                    name = folder.removeprefix(self._prefix + prefix).removesuffix("/")
                    if is_name(name):
                        yield name

    def delete(self, name: str) -> None:
        """Remove an object; see :meth:`agentarmy_ops.stores.base.Store.delete`."""
        split_name(name)
        with explained("delete", f"{self.url}/{name}"):
            try:
                # Safe to repeat without a generation, too: no name is used twice.
                self._blob(name).delete(retry=self._retry)
            except NotFound as error:
                if bucket_is_missing(error):
                    raise
            except Forbidden as error:
                why = self._why_protected(name)
                if not why and reason_of(error) not in _PROTECTED:
                    raise
                raise ObjectHeldError(
                    f"{self.url}/{name} was left as it is: {why or 'the bucket protects it'}"
                ) from None

    def missing_permissions(self) -> Sequence[str]:
        """Those that a backup needs and this account has not been given on the whole bucket.

        Raises:
            StoreError: the bucket cannot be asked.
        """
        with explained("use", self.url):
            granted = self._client.bucket(self._bucket).test_iam_permissions(
                list(_NEEDED), retry=self._retry
            )
        return [permission for permission in _NEEDED if permission not in granted]

    def sweep(self, older_than: timedelta) -> int:  # noqa: ARG002
        """Nothing to do: an upload that was never finished is no object, and Cloud Storage
        forgets it after a week."""
        return 0

    @property
    def _client(self) -> Client:
        with self._making:
            if self._made is None:
                client = self._make_client()
                if not client._http.is_mtls:  # which has an adapter of its own
                    for scheme in ("https://", "http://"):
                        client._http.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))
                # Newer ones would look up the bucket in a thread of its own, to
                # name it in traces that nobody collects: storage.buckets.get, for nothing.
                client._bucket_metadata_cache = None
                self._made = client
            return self._made

    def _blob(self, name: str) -> Blob:
        return self._client.bucket(self._bucket).blob(self._prefix + name)

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        with explained("read", f"{self.url}/{name}"):
            try:
                yield
            except NotFound as error:
                if bucket_is_missing(error):
                    raise
                raise ObjectNotFoundError(
                    f"{self.url}/{name} does not exist; list the store to see what it holds"
                ) from None

    def _finish(self, upload: Upload, name: str, token: str) -> None:
        """Complete the upload, then look at the object: whatever became of the last answer,
        it is ours and whole, or the block fails and nothing of ours is left."""
        failure: Exception | None = None
        try:
            upload.finish()
        except FAILURES as error:
            failure = error
            upload.cancel()  # from here on it cannot be completed any more
        stored = self._blob(name)
        try:
            stored.reload(retry=self._retry)
        except NotFound:
            if failure is not None:
                raise failure from None
            raise StoreError(
                f"{self.url}/{name} was stored and is gone again; see who deletes in that bucket"
            ) from None
        if (stored.metadata or {}).get(_MADE_BY) != token:
            raise exists_already(f"{self.url}/{name}")
        if (stored.size, stored.crc32c) != (upload.size, upload.crc32c):
            removed = "and was removed again"
            try:  # that generation and no other: ours
                stored.delete(if_generation_match=stored.generation, retry=self._retry)
            except NotFound:
                pass
            except Forbidden:
                removed = "and may not be removed"
            raise StoreError(
                f"{self.url}/{name} was stored with other bytes than were sent, {removed}; "
                "try again"
            )

    def _why_protected(self, name: str) -> str:
        blob = self._blob(name)
        try:
            blob.reload(retry=self._retry)
        except FAILURES:
            return ""
        return _protection(blob)


def _protection(blob: Blob) -> str:
    """Why an object may not be deleted; empty when nothing is known to protect it."""
    if blob.temporary_hold:
        return "it is under a temporary hold; release the hold to let it be deleted"
    if blob.event_based_hold:
        return "it is under an event-based hold; release the hold to let it be deleted"
    until = max(
        (
            time
            for time in (blob.retention_expiration_time, blob.retention.retain_until_time)
            if time is not None
        ),
        default=None,
    )
    if until is not None and until > datetime.now(UTC):
        return f"the bucket retains it until {until:%Y-%m-%d %H:%M} UTC; delete it then"
    return ""
