"""Backups that releases made stay backups: read, and proven anew, by what the code is now.

``released/N`` is a store as the first release of format N left it: one small tenant of
PostgreSQL 16, and the platform part. A new format gets a folder of its own;
none is ever changed or removed.
"""

import shutil
from pathlib import Path

import pytest

from agentarmy_ops.backups.catalog import (
    backed_up_slugs,
    latest_backup,
    load_manifest,
    load_verdicts,
)
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.fix_backups import NewLab

_RELEASED = Path(__file__).parent / "released"
_FORMATS = sorted(path.name for path in _RELEASED.iterdir())


@pytest.fixture(params=_FORMATS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStore:
    """A copy of what a release left."""
    return LocalStore(shutil.copytree(_RELEASED / request.param, tmp_path / "store"))


def test_each_format_that_is_written_was_kept() -> None:
    current = Manifest.model_fields["format_version"].default
    assert [str(number) for number in range(1, current + 1)] == _FORMATS


@pytest.mark.parametrize("slug", ["small", None])
def test_it_is_listed_and_read(store: LocalStore, slug: str | None) -> None:
    entry = latest_backup(store, slug)
    manifest = load_manifest(store, entry.ref)
    assert manifest.fingerprint.tables
    (verdict,) = load_verdicts(store, entry)
    assert verdict.status is Status.VERIFIED


def test_it_is_proven_anew(store: LocalStore, new_lab: NewLab) -> None:
    assert backed_up_slugs(store) == ["small"]
    (verdict,) = new_lab().verify(latest_backup(store, "small").ref, store=store)
    assert verdict.status is Status.VERIFIED, verdict.summary
    # Upon the platform part, which is proven first.
    assert verdict.platform_backup_id == latest_backup(store, None).ref.backup_id
