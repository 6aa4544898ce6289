"""Checking the store: each kind of damage is found and named, and nothing else is."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentarmy_ops.backups.check import Checker, Kind, Problem
from agentarmy_ops.backups.reference import ENCRYPTED_ARCHIVE, BackupRef, new_id
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.errors import StoreError
from agentarmy_ops.stores.base import ObjectInfo, Store
from agentarmy_ops_tests.backups.damage import edit_manifest
from agentarmy_ops_tests.backups.stored import id_of, names, put_object
from agentarmy_ops_tests.backups.test_prune import Odd
from agentarmy_ops_tests.fix_backups import Backups

NOW = datetime.now(UTC).replace(microsecond=0)
REGISTERED = ("acme", "globex")


def check(
    backups: Backups, *, deep: bool = False, store: Store | None = None, backups_seen: int = 3
) -> list[Problem]:
    """The problems of the whole store, in which as many complete backups were seen."""
    checker = Checker(store or backups.lab.store, deep, REGISTERED)
    before = names(backups.lab.store)
    reports = list(checker.check_all())
    assert sum(report.backups for report in reports) == backups_seen
    assert names(backups.lab.store) == before
    return [problem for report in reports for problem in report.problems]


def the_only(problems: list[Problem], kind: Kind, what: str, words: str) -> Problem:
    (problem,) = problems
    assert (problem.kind, problem.what) == (kind, what)
    assert what in problem.message
    assert words in problem.message
    return problem


@pytest.mark.parametrize("deep", [False, True])
def test_good_backups_have_no_problem(backups: Backups, deep: bool) -> None:
    ref = backups.ref("acme")
    verdict = Verdict(
        verification_id=new_id(NOW),
        slug="acme",
        backup_id=ref.backup_id,
        status=Status.FAILED,
        started_at=NOW,
        finished_at=NOW,
    )
    name = ref.verification(verdict.verification_id, verdict.status)
    put_object(backups.lab.store, name, NOW, verdict.encode())
    assert check(backups, deep=deep) == []
    path = backups.path(name)
    path.rename(path.with_name(path.name.replace("failed", "verified")))
    problem = the_only(
        check(backups),
        Kind.DAMAGED_VERDICT,
        ref.verification(verdict.verification_id, "verified"),
        "holds the verdict failed",
    )
    assert (problem.slug, problem.backup_id) == ("acme", ref.backup_id)


def test_a_missing_archive(backups: Backups) -> None:
    ref = backups.ref("acme")
    backups.path(ref.archive).unlink()
    the_only(check(backups), Kind.MISSING_ARCHIVE, ref.archive, "make another")
    backups.path(ref.manifest).write_text("{")
    manifest, archive = check(backups)
    assert (manifest.kind, archive.kind) == (Kind.DAMAGED_MANIFEST, Kind.MISSING_ARCHIVE)


def test_an_archive_that_the_manifest_does_not_name(backups: Backups) -> None:
    ref = backups.ref("acme")
    name = ref.prefix + ENCRYPTED_ARCHIVE
    put_object(backups.lab.store, name, NOW)
    the_only(check(backups), Kind.STRAY, name, "not the archive that the manifest names")


def test_an_archive_of_another_size(backups: Backups) -> None:
    ref = backups.ref("acme")
    path = backups.path(ref.archive)
    path.write_bytes(path.read_bytes()[:-1])
    size = path.stat().st_size
    the_only(
        check(backups, deep=True),
        Kind.WRONG_SIZE,
        ref.archive,
        f"has {size} bytes, not the {size + 1}",
    )


def test_other_bytes_are_found_where_they_are_read(backups: Backups) -> None:
    ref = backups.ref("globex")
    path = backups.path(ref.archive)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert check(backups) == []
    right = backups.manifests["globex"].archive.sha256
    the_only(check(backups, deep=True), Kind.WRONG_SHA256, ref.archive, f"not {right}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("needs"), "is not a manifest"),
        (lambda d: d.update(backup_id="20200101T000000Z-000000"), "of another backup"),
    ],
)
def test_a_damaged_manifest(backups: Backups, change: Any, words: str) -> None:
    edit_manifest(backups, None, change)
    ref = backups.ref(None)
    problem = the_only(check(backups), Kind.DAMAGED_MANIFEST, ref.manifest, words)
    assert (problem.slug, problem.backup_id) == (None, ref.backup_id)


def test_what_was_interrupted_is_an_orphan_after_a_day(backups: Backups) -> None:
    old, young = (BackupRef("acme", id_of(NOW - timedelta(hours=age))) for age in (25, 23))
    for ref in (old, young):
        put_object(backups.lab.store, ref.archive, NOW - timedelta(days=2))
    problem = the_only(check(backups), Kind.ORPHAN, old.prefix, "prune removes it")
    assert (problem.slug, problem.backup_id) == ("acme", old.backup_id)


def test_objects_that_are_nobodys(backups: Backups) -> None:
    strays = {
        "notes.txt",
        "other/acme/x",
        "platformer/x",
        "tenants/Not A Slug/x",
        "tenants/notes.txt",
        "tenants/globex/notes.txt",
        "tenants/globex/20261132T021503Z-7f3a9c/manifest.json",
        "platform/notes.txt",
        backups.ref("acme").prefix + "notes.txt",
        backups.ref("acme").prefix + "verification-1.json",
    }
    for name in strays:
        put_object(backups.lab.store, name, NOW)
    problems = check(backups)
    assert {(problem.kind, problem.what) for problem in problems} == {
        (Kind.STRAY, name) for name in strays
    }
    assert all(problem.what in problem.message for problem in problems)


def test_backups_of_a_tenant_that_is_not_registered(backups: Backups) -> None:
    store = backups.lab.store
    (problem,) = [p for r in Checker(store, registered=["globex"]).check_all() for p in r.problems]
    assert (problem.kind, problem.slug) == (Kind.UNREGISTERED, "acme")
    assert "acme has 1 backups and is not in shared.tenants" in problem.message
    assert not problem.kind.is_fault
    assert [r.problems for r in Checker(store).check_all()] == [()] * 3


def test_some_tenants_alone(backups: Backups) -> None:
    for slug in REGISTERED:
        backups.path(backups.ref(slug).archive).unlink()
    put_object(backups.lab.store, "tenants/globex/notes.txt", NOW)
    reports = list(Checker(backups.lab.store).check_owners(["globex", None]))
    assert [report.backups for report in reports] == [1, 1]
    assert [p.kind for p in reports[0].problems] == [Kind.STRAY, Kind.MISSING_ARCHIVE]
    assert reports[1].problems == ()


@pytest.mark.parametrize("leaf", ["manifest", "archive", "verdict"])
def test_what_cannot_be_read_is_said_of_that_object(backups: Backups, leaf: str) -> None:
    ref = backups.ref("acme")
    verdict = ref.verification(id_of(NOW), "verified")
    name = {"manifest": ref.manifest, "archive": ref.archive, "verdict": verdict}[leaf]
    if leaf == "verdict":
        put_object(backups.lab.store, verdict, NOW)

    def failing(method: str) -> Any:
        def call(asked: str) -> Any:
            if asked == name:
                raise StoreError(f"cannot read {asked}: input/output error")
            return getattr(backups.lab.store, method)(asked)

        return call

    odd = Odd(backups.lab.store, read=failing("read"), open=failing("open"))
    the_only(check(backups, store=odd, deep=True), Kind.UNREADABLE, name, "input/output error")


@pytest.mark.parametrize("gone", ["manifest", "all"])
def test_what_is_pruned_meanwhile_is_no_problem(backups: Backups, gone: str) -> None:
    ref = backups.ref("acme")
    put_object(backups.lab.store, ref.verification(id_of(NOW), "verified"), NOW)

    def listing(prefix: str) -> Iterator[ObjectInfo]:
        found = list(backups.lab.store.list(prefix))
        for item in found:
            if item.name.startswith(ref.prefix) and (gone == "all" or item.name == ref.manifest):
                backups.lab.store.delete(item.name)
        return iter(found)

    odd = Odd(backups.lab.store, list=listing)
    reports = list(Checker(odd, True, REGISTERED).check_all())
    assert [problem for report in reports for problem in report.problems] == []


def test_a_backup_that_is_completed_while_it_is_listed_is_no_problem(backups: Backups) -> None:
    """Its archive was not there yet when that part was listed, its manifest was."""
    ref = backups.ref("acme")

    def listing(prefix: str) -> Iterator[ObjectInfo]:
        return (o for o in backups.lab.store.list(prefix) if prefix or o.name != ref.archive)

    assert check(backups, store=Odd(backups.lab.store, list=listing), deep=True) == []


def test_kinds_are_what_the_docs_say() -> None:
    assert json.dumps([kind for kind in Kind if kind.means_bad_backup]) == json.dumps(
        ["missing-archive", "wrong-size", "wrong-sha256", "damaged-manifest", "damaged-verdict"]
    )
