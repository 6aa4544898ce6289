"""Pruning: what the plan says goes, and nothing else, whatever happens on the way."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.backups.prune import Pruner
from agentarmy_ops.backups.pruned import Action, Pruned
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.retention import Policy
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import ObjectHeldError, StoreError
from agentarmy_ops.stores.base import ObjectInfo, Store
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.backups.stored import Backup, id_of, names, put_object
from agentarmy_ops_tests.fix_gcs import Gcs

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LAST = Policy(1, 0, 0)  # the newest only
VERIFIED, FAILED = (Status.VERIFIED,), (Status.FAILED,)
REGISTERED = {"acme": None, "acme-eu": None, "globex": None}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


class Odd:
    """A store that does something else for the calls that a test names."""

    def __init__(self, store: Store, **calls: Callable[..., Any]) -> None:
        self._store = store
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return self._calls.get(name) or getattr(self._store, name)


def put(store: LocalStore, *ages: timedelta, slug: str | None = "acme") -> list[BackupRef]:
    """Backups of these ages."""
    return [Backup(NOW - age).put(store, slug) for age in ages]


def prune(store: Store, slug: str = "acme", policy: Policy = LAST, *, apply: bool = True) -> Pruned:
    (pruned,) = Pruner(store, policy, apply).prune_tenants([slug], REGISTERED)
    return pruned


def actions(pruned: Pruned) -> dict[str, Action]:
    return {item.ref.backup_id: item.action for item in pruned.items}


def removed(pruned: Pruned) -> set[BackupRef]:
    return {item.ref for item in pruned.items if item.action is Action.REMOVED}


def backup_ids(store: Store, slug: str | None = "acme") -> list[str]:
    return [entry.ref.backup_id for entry in list_backups(store, slug)]


ages = st.builds(lambda d, m: timedelta(days=d, minutes=m), st.integers(0, 60), st.integers(1, 600))
kinds = st.sampled_from(["complete", "complete", "complete", "half-written"])
verdicts = st.sampled_from([(), VERIFIED, FAILED])
history = st.lists(
    st.tuples(ages, kinds, verdicts), min_size=1, max_size=8, unique_by=lambda each: each[0]
)
owners = st.dictionaries(st.sampled_from(["acme", "acme-eu", "globex", None]), history)
small = st.integers(0, 3)


@settings(max_examples=100, deadline=None)
@given(owners, st.builds(Policy, small, small, small), st.sets(st.sampled_from(list(REGISTERED))))
def test_the_plan_is_what_is_done_and_done_again_does_nothing(
    histories: dict[str | None, list[tuple[timedelta, str, tuple[Status, ...]]]],
    policy: Policy,
    registered: set[str],
) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        store = LocalStore(root)
        for slug, each in histories.items():
            for age, kind, found in each:
                ref = Backup(NOW - age, found).put(store, slug)
                if kind == "half-written":
                    store.delete(ref.manifest)
        before = set(names(store))
        known = dict.fromkeys(registered)
        plan = list(Pruner(store, policy).prune_all(known))
        assert set(names(store)) == before
        done = list(Pruner(store, policy, apply=True).prune_all(known))
        assert [pruned.slug for pruned in plan] == [*sorted(s for s in histories if s), None]
        assert [pruned.error for pruned in done] == [None] * len(done)
        planned = [item for pruned in plan for item in pruned.items]
        gone = {item.ref for item in planned if item.action is Action.REMOVE}
        assert {ref for pruned in done for ref in removed(pruned)} == gone
        assert before - set(names(store)) == {
            name for name in before if any(name.startswith(ref.prefix) for ref in gone)
        }
        complete = {item.ref for item in planned if item.complete}
        assert {ref.slug for ref in complete & gone} <= registered | {None}
        for pruned in done:
            assert [ref.backup_id for ref in pruned.remaining[::-1]] == backup_ids(
                store, pruned.slug
            )
            assert pruned.freed_bytes == len(b"something") * sum(
                name.startswith(ref.prefix) for name in before for ref in removed(pruned)
            )
        again = list(Pruner(store, policy, apply=True).prune_all(known))
        assert [item.action for pruned in again for item in pruned.items] == [
            Action.KEEP for item in planned if item.action is Action.KEEP
        ]
    finally:
        shutil.rmtree(root)


def test_another_tenant_whose_slug_begins_alike_is_left_alone(store: LocalStore) -> None:
    put(store, HOUR, 2 * DAY)
    others = put(store, HOUR, 2 * DAY, slug="acme-eu")
    assert actions(prune(store)).keys() == set(backup_ids(store)) | {id_of(NOW - 2 * DAY)}
    assert len(backup_ids(store)) == 1
    assert backup_ids(store, "acme-eu") == sorted(ref.backup_id for ref in others)


def test_without_apply_nothing_goes(store: LocalStore) -> None:
    put(store, HOUR, 2 * DAY)
    before = names(store)
    pruned = prune(store, apply=False)
    assert [item.action for item in pruned.items] == [Action.KEEP, Action.REMOVE]
    assert [item.why for item in pruned.items][1] == "no rule keeps it"
    assert (pruned.freed_bytes, pruned.count(Action.REMOVE)) == (2 * len(b"something"), 1)
    assert names(store) == before


def test_a_policy_of_ones_own_goes_before_the_usual_one(store: LocalStore) -> None:
    put(store, HOUR, 2 * DAY, 4 * DAY)
    (pruned,) = Pruner(store, LAST, True).prune_tenants(["acme"], {"acme": "daily=2"})
    assert [item.action for item in pruned.items] == [Action.KEEP, Action.KEEP, Action.REMOVED]


def test_of_a_tenant_with_an_unusable_policy_nothing_goes(store: LocalStore) -> None:
    put(store, HOUR, 2 * DAY)
    put_object(store, BackupRef("acme", id_of(NOW - 5 * DAY)).archive, NOW - 5 * DAY)
    before = names(store)
    (pruned,) = Pruner(store, LAST, True).prune_tenants(["acme"], {"acme": "for ever"})
    assert str(pruned.error) == (
        "acme: 'for ever' is not a retention policy; they look like "
        "'daily=14 weekly=8 monthly=24'; correct backup_retention of its row in shared.tenants"
    )
    assert names(store) == before
    assert [item.why for item in pruned.items] == ["no usable policy"] * 2
    assert len(pruned.remaining) == 2


def test_of_a_tenant_that_is_not_registered_only_leftovers_go(store: LocalStore) -> None:
    refs = put(store, HOUR, 2 * DAY)
    half = BackupRef("acme", id_of(NOW - 5 * DAY))
    put_object(store, half.archive, NOW - 5 * DAY)
    (pruned,) = Pruner(store, LAST, True).prune_tenants(["acme"], {})
    assert removed(pruned) == {half}
    assert [item.why for item in pruned.items][:2] == ["not in the registry"] * 2
    assert backup_ids(store) == sorted(ref.backup_id for ref in refs)


def test_a_verdict_whose_name_says_no_status_is_read(store: LocalStore, tmp_path: Path) -> None:
    """An older backup is verified, as only the verdict itself says."""
    put(store, HOUR, 2 * DAY)
    old = Backup(NOW - 9 * DAY, VERIFIED).put(store)
    (name,) = (each for each in names(store, old.prefix) if "verification" in each)
    verdict = (tmp_path / "store" / name).rename(tmp_path / "store" / name.replace(".verified", ""))
    verdict.write_text(
        f'{{"verification_id": "{name.rpartition("verification-")[2][:23]}", "slug": "acme",'
        f' "backup_id": "{old.backup_id}", "status": "verified",'
        ' "started_at": "2026-11-23T02:00:00Z", "finished_at": "2026-11-23T02:00:00Z"}'
    )
    assert prune(store, apply=False).items[-1].why.startswith("newest verified")
    verdict.write_text("{")
    assert prune(store, apply=False).items[-1].action is Action.REMOVE


class TestLeftovers:
    """What an interrupted backup leaves."""

    @staticmethod
    def half(store: LocalStore, begun: timedelta, completed: timedelta) -> BackupRef:
        ref = BackupRef("acme", id_of(NOW - begun))
        put_object(store, ref.archive, NOW - completed)
        return ref

    def test_goes_after_a_day(self, store: LocalStore) -> None:
        put(store, timedelta(0))
        old = self.half(store, DAY + HOUR, DAY + HOUR)
        self.half(store, DAY - HOUR, DAY - HOUR)
        pruned = prune(store)
        assert [(item.ref, item.why) for item in pruned.items if not item.complete] == [
            (old, "left by an interruption")
        ]
        assert removed(pruned) == {old}

    def test_stays_while_its_archive_is_young(self, store: LocalStore) -> None:
        put(store, timedelta(0))
        self.half(store, 9 * DAY, HOUR)  # it took long
        assert removed(prune(store)) == set()

    def test_stays_while_its_id_is_young(self, store: LocalStore) -> None:
        put(store, timedelta(0))
        self.half(store, HOUR, 9 * DAY)  # the store's clock is behind
        assert removed(prune(store)) == set()

    def test_stays_when_ours_is_the_clock_that_is_wrong(self, store: LocalStore) -> None:
        """Nothing in the store is younger than the leftover: by the store, it is of this moment."""
        put(store, 9 * DAY)
        half = self.half(store, 8 * DAY, 8 * DAY)
        assert removed(prune(store)) == set()
        put(store, 8 * DAY - HOUR, slug=None)  # younger, but by less than a day
        assert removed(prune(store)) == set()
        put(store, 6 * DAY, slug=None)
        assert removed(prune(store)) == {half}

    def test_of_a_verdict_alone_goes_too(self, store: LocalStore) -> None:
        put(store, timedelta(0))
        ref = BackupRef("acme", id_of(NOW - 9 * DAY))
        put_object(store, ref.verification(id_of(NOW - 9 * DAY), "verified"), NOW - 9 * DAY)
        assert removed(prune(store)) == {ref}
        assert names(store, ref.prefix) == []

    def test_what_is_nobodys_stays(self, store: LocalStore) -> None:
        put(store, timedelta(0))
        old = self.half(store, 9 * DAY, 9 * DAY)
        put_object(store, old.prefix + "notes.txt", NOW - 9 * DAY)
        put_object(store, "tenants/acme/notes.txt", NOW - 9 * DAY)
        assert removed(prune(store)) == {old}
        assert [each for each in names(store) if "notes" in each] == [
            old.prefix + "notes.txt",
            "tenants/acme/notes.txt",
        ]


class TestPlatform:
    """The platform part, upon which tenants are restored."""

    @staticmethod
    def prune_all(store: Store, policy: Policy = LAST) -> list[Pruned]:
        return list(Pruner(store, policy, True).prune_all(REGISTERED))

    def test_a_backup_that_a_kept_one_goes_upon_stays(self, store: LocalStore) -> None:
        put(store, 30 * DAY, 20 * DAY, HOUR)
        put(store, 4 * DAY, slug="globex")
        upon_removed, upon_globex, middle, last = put(
            store, 19 * DAY, 3 * DAY, 2 * DAY, DAY, slug=None
        )
        *_, platform = self.prune_all(store)
        assert platform.slug is None
        assert removed(platform) == {upon_removed, middle}
        assert {item.ref: item.why for item in platform.items}[upon_globex] == (
            "tenants' backups go upon it"
        )
        assert backup_ids(store, None) == [upon_globex.backup_id, last.backup_id]

    def test_alone_it_is_pruned_by_all_backups_there_are(self, store: LocalStore) -> None:
        put(store, 30 * DAY, HOUR)
        upon_oldest, middle, _ = put(store, 29 * DAY, 2 * DAY, DAY, slug=None)
        before = names(store, "tenants/")
        pruned = Pruner(store, LAST, True).prune_platform()
        assert removed(pruned) == {middle}
        assert upon_oldest.backup_id in backup_ids(store, None)
        assert names(store, "tenants/") == before

    def test_stays_whole_while_a_tenants_backups_are_not_known(self, store: LocalStore) -> None:
        put(store, HOUR, 2 * DAY)
        put(store, HOUR, slug="globex")
        put(store, HOUR, 2 * DAY, slug=None)

        def listing(prefix: str) -> Iterator[ObjectInfo]:
            if prefix == "tenants/globex/":
                raise StoreError("cannot list tenants/globex/: try again")
            return store.list(prefix)

        acme, globex, platform = self.prune_all(Odd(store, list=listing))
        assert acme.count(Action.REMOVED) == 1
        assert str(globex.error) == "cannot list tenants/globex/: try again"
        assert "the backups of globex cannot be listed" in str(platform.error)
        assert len(backup_ids(store, None)) == 2


class TestHeld:
    """Objects that the store does not let go."""

    @staticmethod
    def holding(store: LocalStore, *held: str, listed: bool = False) -> Odd:
        def delete(name: str) -> None:
            if name in held:
                raise ObjectHeldError(f"{name} was left as it is: it is under a hold")
            store.delete(name)

        def listing(prefix: str) -> Iterator[ObjectInfo]:
            for item in store.list(prefix):
                yield ObjectInfo(item.name, item.size, item.created_at, item.name in held)

        return Odd(store, delete=delete, **({"list": listing} if listed else {}))

    def test_a_held_manifest_keeps_the_backup_whole(self, store: LocalStore) -> None:
        _, held, free = put(store, HOUR, 2 * DAY, 3 * DAY)
        before = names(store, held.prefix)
        pruned = prune(self.holding(store, held.manifest))
        assert actions(pruned)[held.backup_id] is Action.HELD
        assert pruned.items[1].why == (
            f"{held.manifest} was left as it is: it is under a hold; nothing is removed"
        )
        assert pruned.error is None
        assert removed(pruned) == {free}
        assert held in pruned.remaining
        assert names(store, held.prefix) == before

    @pytest.mark.parametrize("apply", [True, False])
    def test_an_archive_that_is_listed_as_held_keeps_the_backup_whole(
        self, store: LocalStore, apply: bool
    ) -> None:
        _, held = put(store, HOUR, 2 * DAY)
        before = names(store, held.prefix)
        pruned = prune(self.holding(store, held.archive, listed=True), apply=apply)
        assert pruned.items[1].action is Action.HELD
        assert pruned.items[1].why == f"the store holds {held.archive}"
        assert (names(store, held.prefix), pruned.freed_bytes) == (before, 0)

    def test_a_hold_nobody_knew_of_leaves_the_rest_for_later(self, store: LocalStore) -> None:
        _, held = put(store, HOUR, 2 * DAY)
        put(store, timedelta(0), slug=None)
        pruned = prune(self.holding(store, held.archive))
        assert pruned.items[1].action is Action.HELD
        assert "the rest is removed when it can be" in pruned.items[1].why
        assert names(store, held.prefix) == [held.archive]
        again = prune(self.holding(store, held.archive))
        assert [item.action for item in again.items] == [Action.KEEP, Action.HELD]
        assert again.remaining == [again.items[0].ref]
        assert removed(prune(store)) == {held}


class TestInterrupted:
    """The store fails, or the process is killed, at each deletion."""

    @staticmethod
    def breaking(store: LocalStore, after: int, error: BaseException) -> Odd:
        done = [0]

        def delete(name: str) -> None:
            if done[0] == after:
                raise error
            done[0] += 1
            store.delete(name)

        return Odd(store, delete=delete)

    @staticmethod
    def fill(store: LocalStore) -> list[BackupRef]:
        put(store, timedelta(0), slug=None)
        return [Backup(NOW - age, VERIFIED).put(store) for age in (HOUR, 2 * DAY, 3 * DAY, 4 * DAY)]

    @pytest.mark.parametrize("after", range(9))
    @pytest.mark.parametrize("error", [StoreError("it is gone"), KeyboardInterrupt()], ids=repr)
    def test_the_next_run_completes(
        self, store: LocalStore, after: int, error: BaseException
    ) -> None:
        refs = self.fill(store)
        broken = self.breaking(store, after, error)
        if isinstance(error, StoreError):
            pruned = prune(broken)
            assert pruned.error is error
            done = after // 3
            # The oldest first; with its manifest, a backup is whole.
            assert removed(pruned) == set(refs[len(refs) - done :])
            assert pruned.count(Action.FAILED) == 3 - done
            assert pruned.count(Action.KEEP) == 1
        else:
            with pytest.raises(KeyboardInterrupt):
                prune(broken)
        for entry in list_backups(store, "acme"):
            assert (entry.archive is not None, len(entry.verifications)) == (True, 1)
        prune(store)
        assert [each.rpartition("/")[0] for each in names(store, "tenants/")] == (
            [refs[0].prefix.removesuffix("/")] * 3
        )

    def test_after_a_failure_no_more_of_the_tenant_is_tried(self, store: LocalStore) -> None:
        refs = self.fill(store)
        tried: list[str] = []

        def delete(name: str) -> None:
            tried.append(name)
            if len(tried) == 1:
                raise StoreError("it is gone")
            store.delete(name)

        pruned = prune(Odd(store, delete=delete))
        assert tried == [refs[-1].manifest]
        assert [item.why for item in pruned.items][1:] == ["no rule keeps it; the store failed"] * 3

    def test_other_tenants_are_pruned(self, store: LocalStore) -> None:
        put(store, HOUR, 2 * DAY)
        put(store, HOUR, 2 * DAY, slug="globex")
        put(store, HOUR, 2 * DAY, slug=None)

        def delete(name: str) -> None:
            if "/acme/" in name:
                raise StoreError("it is gone")
            store.delete(name)

        results = list(Pruner(Odd(store, delete=delete), LAST, True).prune_all(REGISTERED))
        assert [str(pruned.error or "") for pruned in results] == ["it is gone", "", ""]
        assert [pruned.count(Action.REMOVED) for pruned in results] == [0, 1, 0]
        # Both of acme's are there, so is the platform backup that the older one goes upon.
        assert results[0].remaining == [BackupRef("acme", id) for id in backup_ids(store)[::-1]]
        assert len(backup_ids(store, None)) == 2


def test_what_was_added_to_since_stays(store: LocalStore) -> None:
    """A verdict appears between the plan and the removal."""
    _, old, older = put(store, HOUR, 2 * DAY, 3 * DAY)

    def listing(prefix: str) -> Iterator[ObjectInfo]:
        if prefix == old.prefix:
            put_object(store, old.verification(id_of(NOW), "verified"), NOW)
        return store.list(prefix)

    pruned = prune(Odd(store, list=listing))
    assert removed(pruned) == {older}
    assert [item.why for item in pruned.items][1] == "something was just added to it"
    assert old in pruned.remaining
    assert len(names(store, old.prefix)) == 3


def test_what_another_prune_has_removed_is_no_error(store: LocalStore) -> None:
    _, old = put(store, HOUR, 2 * DAY)

    def listing(prefix: str) -> Iterator[ObjectInfo]:
        if prefix == old.prefix:
            prune(store)
        return store.list(prefix)

    pruned = prune(Odd(store, list=listing))
    assert (pruned.error, removed(pruned)) == (None, {old})


def order(store: LocalStore, deleted: list[str]) -> Odd:
    def delete(name: str) -> None:
        deleted.append(name)
        store.delete(name)

    return Odd(store, delete=delete)


def test_the_manifest_goes_first_and_the_archive_last(store: LocalStore) -> None:
    put(store, HOUR)
    old = Backup(NOW - 2 * DAY, FAILED + FAILED).put(store)
    deleted: list[str] = []
    prune(order(store, deleted), policy=Policy(0, 0, 0))
    first, *between, last = deleted
    assert (first, last) == (old.manifest, old.archive)
    assert len(between) == 2


def test_many_tenants_in_the_order_of_their_slugs(store: LocalStore) -> None:
    slugs = [f"tenant-{number:03d}" for number in range(100)]
    for slug in slugs:
        put(store, HOUR, 2 * DAY, slug=slug)
    results: Sequence[Pruned] = list(
        Pruner(store, LAST, True).prune_tenants(slugs, dict.fromkeys(slugs))
    )
    assert [pruned.slug for pruned in results] == slugs
    assert [pruned.count(Action.REMOVED) for pruned in results] == [1] * 100


def test_holds_and_retention_of_cloud_storage(gcs: Gcs) -> None:
    """The listing shows them, so the plan knows, and a backup stays whole."""
    backups = [Backup(NOW - age, VERIFIED) for age in (HOUR, 2 * DAY, 3 * DAY, 4 * DAY)]
    store = gcs.store()
    for backup in backups:
        for name in backup.names("acme"):
            gcs.content.put(f"backups/{name}", b"something")
    _, by_archive, by_manifest, free = (backup.ref("acme") for backup in backups)
    gcs.content.patch(f"backups/{by_archive.archive}", {"temporaryHold": True})
    gcs.content.patch(f"backups/{by_manifest.manifest}", {"eventBasedHold": True})
    for apply in (False, True):
        pruned = prune(store, apply=apply)
        assert pruned.error is None
        assert [item.action for item in pruned.items] == [
            Action.KEEP, Action.HELD, Action.HELD, Action.REMOVED if apply else Action.REMOVE
        ]  # fmt: skip
    assert len(names(store)) == 9
    assert not names(store, free.prefix)

    until = (NOW + DAY).isoformat().replace("+00:00", "Z")
    gcs.content.patch(f"backups/{by_archive.archive}", {"temporaryHold": False})
    gcs.content.patch(
        f"backups/{by_manifest.manifest}",
        {"eventBasedHold": False, "retentionExpirationTime": until},
    )
    assert removed(prune(store)) == {by_archive}
    past = (NOW - DAY).isoformat().replace("+00:00", "Z")
    gcs.content.patch(f"backups/{by_manifest.manifest}", {"retentionExpirationTime": past})
    assert removed(prune(store)) == {by_manifest}
    assert len(names(store)) == 3
