"""The plan: which backups are kept. Pure, so most is said of backups of any kind at any time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentarmy_ops.backups.catalog import CatalogEntry
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.retention import Decision, Policy, plan
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops_tests.backups.stored import Backup

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
often = settings(max_examples=500, deadline=None)
VERIFIED, FAILED = (Status.VERIFIED,), (Status.FAILED,)

# Days, weeks and months share backups often enough when the span is about a year; minutes put
# several into a day.
moments = st.builds(
    lambda days, minutes: NOW - timedelta(days=days, minutes=minutes),
    st.one_of(st.integers(0, 20), st.integers(0, 800)),
    st.integers(1, 1439),
)
verdicts = st.sampled_from([(), (), VERIFIED, VERIFIED, FAILED, VERIFIED + FAILED])
backup = st.builds(Backup, moments, verdicts, st.sampled_from([True] * 9 + [False]))
histories = st.lists(backup, max_size=60, unique_by=lambda b: b.begun).map(
    lambda backups: [each.entry() for each in backups]
)
counts = st.one_of(st.integers(0, 4), st.integers(0, 40))
policies = st.builds(Policy, counts, counts, counts)


def kept(decisions: Sequence[Decision]) -> list[CatalogEntry]:
    return [decision.entry for decision in decisions if decision.keep]


def sound(entries: Sequence[CatalogEntry]) -> list[CatalogEntry]:
    return [e for e in entries if e.archive is not None and e.status is not Status.FAILED]


def newest(entries: Sequence[CatalogEntry]) -> set[CatalogEntry]:
    return {max(entries, key=lambda e: e.ref.backup_id)} if entries else set()


@often
@given(histories, policies)
def test_every_backup_is_decided_on_once_newest_first(
    entries: list[CatalogEntry], policy: Policy
) -> None:
    ids = [decision.entry.ref.backup_id for decision in plan(entries, policy, NOW)]
    assert ids == sorted((e.ref.backup_id for e in entries), reverse=True)


@often
@given(histories, policies)
def test_the_newest_the_newest_sound_and_the_newest_verified_are_never_removed(
    entries: list[CatalogEntry], policy: Policy
) -> None:
    verified = [e for e in sound(entries) if e.status is Status.VERIFIED]
    expected = newest(entries) | newest(sound(entries)) | newest(verified)
    assert expected <= set(kept(plan(entries, policy, NOW)))


@often
@given(histories, policies)
def test_what_is_kept_is_kept_again(entries: list[CatalogEntry], policy: Policy) -> None:
    first = plan(entries, policy, NOW)
    again = plan(kept(first), policy, NOW)
    assert again == [decision for decision in first if decision.keep]


@often
@given(histories, policies, policies)
def test_more_is_never_kept_by_smaller_counts(
    entries: list[CatalogEntry], policy: Policy, more: Policy
) -> None:
    bigger = Policy(
        policy.daily + more.daily, policy.weekly + more.weekly, policy.monthly + more.monthly
    )
    assert set(kept(plan(entries, policy, NOW))) <= set(kept(plan(entries, bigger, NOW)))


@often
@given(histories, policies, st.integers(0, 30 * 365))
def test_a_clock_that_is_years_ahead_changes_nothing(
    entries: list[CatalogEntry], policy: Policy, days: int
) -> None:
    assert plan(entries, policy, NOW) == plan(entries, policy, NOW + timedelta(days=days))


@often
@given(histories, policies, st.integers(0, 30 * 365))
def test_a_clock_that_is_behind_keeps_no_less(
    entries: list[CatalogEntry], policy: Policy, days: int
) -> None:
    behind = plan(entries, policy, NOW - timedelta(days=days))
    assert set(kept(plan(entries, policy, NOW))) <= set(kept(behind))


@often
@given(histories, histories, policies)
def test_backups_from_the_future_stay_and_push_none_out(
    entries: list[CatalogEntry], others: list[CatalogEntry], policy: Policy
) -> None:
    year = timedelta(days=3 * 365)
    ahead = [Backup(e.completed_at + year).entry() for e in others]
    assert set(kept(plan([*ahead, *entries], policy, NOW))) == {
        *ahead,
        *kept(plan(entries, policy, NOW)),
    }


@often
@given(histories, histories, policies)
def test_backups_known_to_be_bad_push_none_out(
    entries: list[CatalogEntry], others: list[CatalogEntry], policy: Policy
) -> None:
    good = sound(entries)
    known = {e.ref for e in good}
    bad = [Backup(e.completed_at, FAILED).entry() for e in others if e.ref not in known]
    assert set(kept(plan(good, policy, NOW))) <= set(kept(plan([*good, *bad], policy, NOW)))


@often
@given(histories, policies)
def test_no_more_is_kept_than_was_asked_for(entries: list[CatalogEntry], policy: Policy) -> None:
    slots = 2 * (policy.daily + policy.weekly + policy.monthly)
    assert len(kept(plan(entries, policy, NOW))) <= slots + 3


@often
@given(histories, policies, st.randoms(use_true_random=False))
def test_the_order_of_the_listing_does_not_matter(
    entries: list[CatalogEntry], policy: Policy, random: st.DataObject
) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert plan(shuffled, policy, NOW) == plan(entries, policy, NOW)


@often
@given(histories, policies, st.data())
def test_what_others_need_is_kept_besides(
    entries: list[CatalogEntry], policy: Policy, data: st.DataObject
) -> None:
    needed = {e.ref for e in data.draw(st.lists(st.sampled_from(entries)))} if entries else set()
    usual = {e.ref for e in kept(plan(entries, policy, NOW))}
    assert {e.ref for e in kept(plan(entries, policy, NOW, needed))} == usual | needed


def at(text: str, verdicts: tuple[Status, ...] = ()) -> CatalogEntry:
    return Backup(datetime.fromisoformat(text).replace(tzinfo=UTC), verdicts).entry()


def reasons(entries: Sequence[CatalogEntry], policy: Policy) -> dict[str, str]:
    """Why each is kept, by the beginning of its id."""
    return {
        decision.entry.ref.backup_id[:13]: ", ".join(decision.reasons)
        for decision in plan(entries, policy, NOW)
    }


def test_a_night_after_night() -> None:
    nights = [at(f"2026-11-{day:02d}T02:00") for day in range(9, 24)]  # two weeks and a day
    assert reasons(nights, Policy(3, 2, 1)) == {
        "20261123T0200": "newest, daily 2026-11-23, weekly 2026-W48, monthly 2026-11",
        "20261122T0200": "daily 2026-11-22, weekly 2026-W47",
        "20261121T0200": "daily 2026-11-21",
        **{f"202611{day:02d}T0200": "" for day in range(9, 21)},
    }


def test_a_verified_backup_goes_before_newer_ones_of_its_day_week_and_month() -> None:
    entries = [
        at("2026-11-22T23:00", FAILED),
        at("2026-11-22T12:00"),
        at("2026-11-18T02:00", VERIFIED),
        at("2026-11-03T02:00", VERIFIED),
        at("2026-11-02T14:00", FAILED),
        at("2026-11-02T02:00"),
    ]
    assert reasons(entries, Policy(4, 1, 1)) == {
        "20261122T2300": "newest",
        "20261122T1200": "newest not failed, daily 2026-11-22",
        "20261118T0200": "newest verified, daily 2026-11-18, weekly 2026-W47, monthly 2026-11",
        "20261103T0200": "daily 2026-11-03",
        "20261102T1400": "",
        "20261102T0200": "daily 2026-11-02",
    }


def test_a_day_with_nothing_but_a_failed_backup_is_counted_besides() -> None:
    entries = [
        at("2026-11-22T02:00"),
        at("2026-11-21T02:00", FAILED),
        at("2026-11-20T02:00"),
        at("2026-11-19T02:00"),
    ]
    assert reasons(entries, Policy(2, 0, 0)) == {
        "20261122T0200": "newest, daily 2026-11-22",
        "20261121T0200": "daily 2026-11-21",
        "20261120T0200": "daily 2026-11-20",
        "20261119T0200": "",
    }


def test_weeks_are_of_iso_8601_and_days_of_utc() -> None:
    entries = [at(f"{day}T02:00") for day in ("2021-01-04", "2021-01-03", "2020-12-28")]
    assert reasons(entries, Policy(0, 9, 0)) == {
        "20210104T0200": "newest, weekly 2021-W01",
        "20210103T0200": "weekly 2020-W53",
        "20201228T0200": "",
    }


def test_without_an_archive_a_backup_counts_as_bad() -> None:
    whole = Backup(NOW - timedelta(hours=2), VERIFIED).entry()
    without = Backup(NOW - timedelta(hours=1), VERIFIED, archive=False).entry()
    (first, second) = plan([whole, without], Policy(1, 0, 0), NOW)
    assert first.reasons == ("newest",)
    assert second.reasons == ("newest not failed", "newest verified", f"daily {NOW.date()}")


def test_a_backup_of_this_moment_is_not_from_the_future() -> None:
    assert plan([Backup(NOW).entry()], Policy(0, 0, 0), NOW)[0].reasons == ("newest",)
    later = Backup(NOW + timedelta(seconds=1)).entry()
    assert plan([later], Policy(1, 1, 1), NOW)[0].reasons == ("from the future",)


def test_what_tenants_need_is_kept() -> None:
    older = Backup(NOW - timedelta(days=9)).entry(None)
    entries = [older, Backup(NOW).entry(None)]
    assert [d.keep for d in plan(entries, Policy(0, 0, 0), NOW)] == [True, False]
    decisions = plan(entries, Policy(0, 0, 0), NOW, {older.ref, BackupRef.new(None)})
    assert decisions[1].reasons == ("tenants' backups go upon it",)


def test_a_policy_of_ones_own() -> None:
    usual = Policy(7, 5, 12)
    assert str(usual) == "daily=7 weekly=5 monthly=12"
    assert usual.overridden("") == usual.overridden("  ") == usual
    assert usual.overridden("daily=14 weekly=8 monthly=24") == Policy(14, 8, 24)
    assert usual.overridden(" monthly=0\n") == Policy(7, 5, 0)
    assert usual.overridden(str(Policy(1, 2, 3))) == Policy(1, 2, 3)


@pytest.mark.parametrize(
    "text",
    ["14", "daily", "daily=", "daily=-1", "daily=1.5", "daily=1 daily=2", "yearly=1", "daily=1,",
     "Daily=1", "daily = 1", "daily=²"],
)  # fmt: skip
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a retention policy"):
        Policy(7, 5, 12).overridden(text)
