"""A backup store in Google Cloud Storage."""

from collections.abc import Iterator

from agentarmy_ops.doctor.disk import WRITABLE
from agentarmy_ops.doctor.finding import Finding, ok, warn
from agentarmy_ops.stores.gcs import GcsStore


def check_bucket(store: GcsStore) -> Iterator[Finding]:
    """The bucket is there, may be listed, and may be written to. Nothing is written: who makes
    backups may have no right to remove it again."""
    next(store.list_folders(""), None)
    if missing := store.missing_permissions():
        yield warn(
            WRITABLE,
            f"{store.url} does not grant {', '.join(missing)} on the whole bucket",
            "grant the role that docs/storage.md names, unless a condition grants it below the "
            "prefix",
        )
    else:
        yield ok(WRITABLE, f"{store.url} can be listed, read and written to")
