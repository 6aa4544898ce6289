"""Compare a backup with the live tenant."""

from collections.abc import Collection, Iterator, Mapping

from agentarmy_ops.archive.describe import Description
from agentarmy_ops.archive.fingerprint import Fingerprint, TableFingerprint
from agentarmy_ops.archive.toc import TableOfContents
from agentarmy_ops.backups.diff.archived import ArchivedTenant
from agentarmy_ops.backups.diff.columns import Columns, columns_of
from agentarmy_ops.backups.diff.definitions import (
    changed_definitions,
    changed_sequences,
    tell_reworded,
)
from agentarmy_ops.backups.diff.digests import Tally
from agentarmy_ops.backups.diff.live import LiveTenant, open_live
from agentarmy_ops.backups.diff.report import Change, TenantDiff
from agentarmy_ops.backups.diff.tables import TableComparison, one_sided
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.source import BackupSource
from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.stores.base import Store

_Pairs = Mapping[str, tuple[TableFingerprint, TableFingerprint]]


def diff_tenant(
    source: BackupSource,
    store: Store,
    manifest: Manifest,
    *,
    tables: Collection[str] = (),
    examples: int = 0,
) -> TenantDiff:
    """What has changed in the live tenant since the backup of ``manifest``.

    Both sides' fingerprints are compared first, which takes a dump of the live tenant that is
    stored nowhere. Only if they differ is the archive read, and of the live tables those whose
    data differ, all in one snapshot. With ``tables``, rows are compared of these only, definitions
    of all. ``examples`` is how many primary keys to tell of each table and kind.

    Raises:
        InvalidInputError: one of ``tables`` has no rows of its own on either side.
        TenantNotFoundError: the tenant's schema is not there.
        ArchiveError: the archive is not what was stored.
        OpsError: the database, the store or the secrets store failed or refused.
    """
    tenant = manifest.tenant
    if tenant is None:
        raise InvalidInputError(f"{manifest.ref} is not the backup of a tenant; name one that is")
    with open_live(source, manifest, tenant) as live:
        now = live.dump(tables)
        backup = manifest.fingerprint
        if tables:
            backup = backup.model_copy(
                update={"tables": tuple(one for one in backup.tables if one.table in tables)}
            )
            _refuse_unknown(tables, tenant.slug, backup, now.fingerprint)
        archived = ArchivedTenant(store, source.keys, manifest)
        before, after = _by_name(backup), _by_name(now.fingerprint)
        both = {
            name: (before[name], after[name])
            for name in before.keys() & after.keys()
            if before[name] != after[name]
        }
        changes = changed_definitions(backup, now.fingerprint)
        compared: dict[str, TableComparison] = {}
        if both or any(change.change is Change.CHANGED for change in changes):
            rows = _Rows(live, now, archived, examples)
            changes = list(tell_reworded(changes, rows.compare(both), now.toc))
            compared = rows.compared
        found = [
            *(comparison.result() for comparison in compared.values()),
            *(one_sided(before.get(n), after.get(n)) for n in before.keys() ^ after.keys()),
        ]
        differing = sorted((one for one in found if one.differs), key=lambda one: one.table)
        return TenantDiff(
            slug=tenant.slug,
            backup_id=manifest.backup_id,
            backup_taken_at=manifest.snapshot.taken_at,
            live_taken_at=live.snapshot.taken_at,
            backup_server_version=manifest.snapshot.server_version,
            live_server_version=live.snapshot.facts["server_version"],
            definitions=tuple(changes),
            sequences=tuple(changed_sequences(backup, now.fingerprint)),
            tables=tuple(differing),
            same_tables=len(before.keys() | after.keys()) - len(differing),
        )


def _by_name(fingerprint: Fingerprint) -> dict[str, TableFingerprint]:
    return {table.table: table for table in fingerprint.tables}


def _refuse_unknown(
    tables: Collection[str], slug: str, backup: Fingerprint, live: Fingerprint
) -> None:
    for name in tables:
        if name not in _by_name(backup).keys() | _by_name(live).keys():
            raise InvalidInputError(
                f"tenant {slug} has no table {name} with rows of its own, in the backup or now; "
                "of a partitioned table, name the partitions"
            )


class _Rows:
    """Compares the rows of tables that both sides have, reading the archive once; and once more
    if keys of removed rows are to be told, which nothing else has."""

    def __init__(
        self, live: LiveTenant, now: Description, archived: ArchivedTenant, examples: int
    ) -> None:
        self._live = live
        self._columns = columns_of(now.toc)
        self._archived = archived
        self._examples = examples
        self.compared: dict[str, TableComparison] = {}

    def compare(self, both: _Pairs) -> TableOfContents:
        """Compare tables, by name; returns the archive's table of contents."""

        def count(name: str, columns: Columns, rows: Iterator[bytes]) -> None:
            comparison = TableComparison(
                *both[name], columns, self._columns[name], Tally.empty(self._examples)
            )
            if not comparison.has_nothing_in_common:
                comparison.count(rows, self._live)
                comparison.find_live_keys(self._live)
            self.compared[name] = comparison

        def find_keys(name: str, _: Columns, rows: Iterator[bytes]) -> None:
            self.compared[name].find_archived_keys(rows)

        toc = self._archived.read({name: backup for name, (backup, _) in both.items()}, count)
        self._live.refuse_rewritten(both.keys())
        again = {n: one.backup for n, one in self.compared.items() if one.needs_archive_again}
        if again:
            self._archived.read(again, find_keys)
        return toc
