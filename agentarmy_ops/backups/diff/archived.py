"""Read tables out of a stored archive, and make sure they are what was stored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from agentarmy_ops.archive.data import DataBlock, ignore, read_blocks
from agentarmy_ops.archive.describe import unexpected
from agentarmy_ops.archive.fingerprint import TableFingerprint, text
from agentarmy_ops.archive.rows import COPY_TERMINATOR, RowsDigest, copy_data
from agentarmy_ops.archive.toc import TableOfContents, read_toc
from agentarmy_ops.backups.diff.columns import Columns, columns_of
from agentarmy_ops.backups.diff.rows import split_rows
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.pipeline import open_archive
from agentarmy_ops.errors import ArchiveError
from agentarmy_ops.stores.base import Store

# Takes the name of a table, its columns and its rows.
TakeRows = Callable[[str, Columns, Iterator[bytes]], None]


class ArchivedTenant:
    """The archive of a backup, to be read as often as needed."""

    def __init__(self, store: Store, keys: Keys, manifest: Manifest) -> None:
        self._store = store
        self._keys = keys
        self._manifest = manifest

    def read(self, wanted: Mapping[str, TableFingerprint], take: TakeRows) -> TableOfContents:
        """Read the archive once: ``take`` is called with each of the ``wanted`` tables, by name,
        in the archive's order.

        Raises:
            ArchiveError: the object, or one of the tables, is not what was stored; what was taken
                counts for nothing.
            OpsError: the store or the secrets store failed.
        """
        facts = self._manifest.archive
        with self._named():
            with open_archive(self._store, facts, self._keys, ignore) as (archive, measure):
                source, toc = read_toc(archive)
                expected = {
                    entry.dump_id: wanted[text(entry.tag)]
                    for entry in toc.entries
                    if entry.copy_statement and text(entry.tag) in wanted
                }
                blocks, columns = read_blocks(source, toc.header), columns_of(toc)
                while expected and (block := next(blocks, None)):
                    if table := expected.pop(block.dump_id, None):
                        _read(block, table, columns[table.table], take)
                    else:
                        block.pass_to(ignore)
            if (measure.size, measure.sha256) != (facts.stored_bytes, facts.sha256):
                raise ArchiveError("the stored object is not the one that was written")
            for table in expected.values():
                raise ArchiveError(f"the archive is cut short: no rows of {table.table}")
        return toc

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say of what backup an archive is damaged."""
        try:
            yield
        except ArchiveError as error:
            raise ArchiveError(
                f"backup {self._manifest.ref} cannot be compared: {error}; verify it, and compare "
                "with another"
            ) from None


def _read(block: DataBlock, expected: TableFingerprint, columns: Columns, take: TakeRows) -> None:
    if block.is_large_objects:
        raise unexpected(block)
    digest = RowsDigest(COPY_TERMINATOR)
    rows = split_rows(copy_data(block, digest))
    take(expected.table, columns, rows)
    for _ in rows:
        pass
    if digest.finish() != (expected.rows, expected.bytes, expected.sha256):
        raise ArchiveError(f"the rows of {expected.table} are not those that were backed up")
