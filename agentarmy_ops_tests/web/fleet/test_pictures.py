"""Trends and plots: nothing leaves its box, zero is at the bottom, and words say what is seen."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import BackupPoint
from agentarmy_ops.web.fleet import plot as plots
from agentarmy_ops.web.fleet import trend as trends
from agentarmy_ops.web.fleet.plot import plot
from agentarmy_ops.web.fleet.row import growth_text
from agentarmy_ops.web.fleet.trend import trend
from agentarmy_ops_tests.web.fleet.invented import NOW, backup_at, nights

VERIFIED, FAILED = Status.VERIFIED, Status.FAILED


def spots(points: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.split())]


histories = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=1 << 50),
        st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)),
        st.sampled_from([VERIFIED, FAILED, None]),
    ),
    min_size=1,
    max_size=30,
).map(
    lambda found: tuple(
        backup_at(NOW - ago, stored, status)
        for stored, ago, status in sorted(found, key=lambda each: -each[1])
    )
)


@given(histories)
def test_any_history_fits(history: tuple[BackupPoint, ...]) -> None:
    small, large = trend(history), plot(history)
    assert large
    assert len(large.marks) == len(history)
    assert bool(small) is (len(history) > 1)
    for x, y in spots(small.points) if small else ():
        assert 0 <= x <= trends.WIDTH
        assert 0 <= y <= trends.HEIGHT
    for mark in large.marks:
        assert large.left <= mark.x <= large.right
        assert large.top <= mark.y <= large.bottom
    assert spots(large.line) == [(mark.x, mark.y) for mark in large.marks]
    assert all(large.left <= tick.at <= large.right for tick in large.times)
    assert all(large.top <= tick.at <= large.bottom for tick in large.sizes)
    assert 2 <= len(large.sizes) <= 8
    assert len(large.times) <= 8
    for ticks in (large.sizes, large.times):
        texts = [tick.text for tick in ticks]
        assert len(set(texts)) == len(texts)


def test_without_backups_there_is_nothing_to_see() -> None:
    assert trend(()) is None
    assert trend(nights([2048])) is None
    assert plot(()) is None


def test_a_trend_begins_at_zero() -> None:
    seen = trend(nights([100, 50, 0]))
    assert seen
    assert spots(seen.points) == [(3, 3), (48, 12), (93, 21)]
    assert spots(seen.area) == [(3, 21), (3, 3), (48, 12), (93, 21), (93, 21)]
    assert (seen.x, seen.y) == (93, 21)
    assert seen.label == "stored size of 3 backups: from 100 B to 0 B"


def test_backups_of_nothing_lie_at_the_bottom() -> None:
    seen = trend(nights([0, 0]))
    assert seen
    assert {y for _, y in spots(seen.points)} == {trends.HEIGHT - 3}


def test_sizes_have_round_lines() -> None:
    seen = plot(nights([3 << 20, (7 << 20) // 2]))
    assert seen
    assert [tick.text for tick in seen.sizes] == ["0 B", "1.0 MiB", "2.0 MiB", "3.0 MiB", "4.0 MiB"]
    assert seen.sizes[0].at == seen.bottom
    assert seen.sizes[-1].at == seen.top
    assert seen.marks[0].y == seen.sizes[3].at


@pytest.mark.parametrize(
    ("days", "first", "second"),
    [(30, "%Y-%m-%d", 7 * 86400), (1, "%m-%d %H:%M", 6 * 3600), (2000, "%Y-%m-%d", 365 * 86400)],
)
def test_times_have_round_lines(days: int, first: str, second: int) -> None:
    moments = [NOW - timedelta(days=days), NOW]
    seen = plot([backup_at(moment, 10, None) for moment in moments])
    assert seen
    whole = NOW.timestamp() // second * second
    assert seen.times[-1].text == type(NOW).fromtimestamp(whole, NOW.tzinfo).strftime(first)
    share = (whole - moments[0].timestamp()) / (days * 86400)
    expected = seen.left + (seen.right - seen.left) * share
    assert seen.times[-1].at == pytest.approx(expected, abs=0.06)


def test_marks_stand_where_and_for_what_they_should() -> None:
    moments = [NOW - timedelta(days=ago) for ago in (10, 5, 0)]
    verdicts = [VERIFIED, FAILED, None]
    history = [backup_at(m, 1024, v) for m, v in zip(moments, verdicts, strict=True)]
    seen = plot(history)
    assert seen
    middle = (seen.left + seen.right) / 2
    assert [mark.x for mark in seen.marks] == [seen.left, middle, seen.right]
    assert [mark.verdict for mark in seen.marks] == verdicts
    assert seen.marks[1].label == f"{moments[1]:%Y-%m-%dT%H:%M:%SZ}: 1.0 KiB, failed"
    assert seen.marks[2].label.endswith("not verified")
    assert seen.summary == (
        f"3 backups, from 1.0 KiB on {moments[0]:%Y-%m-%d} to 1.0 KiB on {moments[2]:%Y-%m-%d}: "
        "1 verified, 1 failed, 1 not verified."
    )


def test_one_backup_alone_has_time_around_it() -> None:
    seen = plot(nights([5]))
    assert seen
    assert seen.marks[0].x == (seen.left + seen.right) / 2
    assert len(seen.times) >= 3
    assert seen.summary.startswith("One backup, of ")
    assert (seen.width, seen.height) == (plots.WIDTH, plots.HEIGHT)


def test_growth_in_words() -> None:
    shares = (None, 0.0, 0.004, 0.126, -0.5, 8.99, 9.0, 99.6)
    words = [None, "±0 %", "±0 %", "+13 %", "-50 %", "+899 %", "10x", "101x"]
    assert [growth_text(share) for share in shares] == words
