from datetime import UTC, datetime, timedelta, timezone

from agentarmy_ops.text import age, duration, one_line, seconds, size, when


def test_sizes() -> None:
    assert [size(n) for n in (0, 1023, 1024, 5 << 20, 3 << 50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 MiB",
        "3072.0 TiB",
    ]


def test_what_cannot_be_printed_is_shown_escaped() -> None:
    assert one_line("a\x1b[31mb\nc \u00e9") == "a\\x1b[31mb\\nc \u00e9"


def test_ages() -> None:
    assert [age(n) for n in (-5, 0, 59.9, 60, 7199, 7200, 48 * 3600 - 1, 48 * 3600)] == [
        "0 s",
        "0 s",
        "59 s",
        "1 min",
        "119 min",
        "2 h",
        "47 h",
        "2 d",
    ]


def test_durations() -> None:
    assert [duration(n) for n in (0, 9.994, 10, 59.4, 59.6, 303, 3599.6, 3600, 7501)] == [
        "0.00 s",
        "9.99 s",
        "10 s",
        "59 s",
        "1 min",
        "5 min 3 s",
        "1 h",
        "1 h",
        "2 h 5 min",
    ]
    assert seconds(1.254) == "1.25 s"
    assert seconds(None) == ""


def test_moments_are_in_utc() -> None:
    moment = datetime(2026, 11, 23, 3, 15, 3, tzinfo=timezone(timedelta(hours=1)))
    assert when(moment) == when(moment.astimezone(UTC)) == "2026-11-23T02:15:03Z"
    assert when(None) == ""
