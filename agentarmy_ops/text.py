"""Text as people read it: one line, sizes, times."""

from datetime import UTC, datetime

_KIB = 1024


def one_line(text: str) -> str:
    """``text`` with everything that is not printable (newlines, terminal escapes) shown escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def size(count: int) -> str:
    """``count`` bytes in the unit that suits: ``3.2 MiB``."""
    number, units = float(count), iter(("KiB", "MiB", "GiB", "TiB"))
    unit = "B"
    while number >= _KIB and (larger := next(units, None)):
        number, unit = number / _KIB, larger
    return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"


def when(moment: datetime | None) -> str:
    """UTC to the second in ISO 8601: ``2026-11-23T02:15:03Z``."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(value: float | None) -> str:
    """``1.25 s``."""
    return "" if value is None else f"{value:.2f} s"


def age(seconds_ago: float) -> str:
    """How long ago in the unit that suits: ``5 min``, ``7 h``, ``12 d``."""
    minutes = max(0, int(seconds_ago // 60))
    if minutes < 120:  # noqa: PLR2004
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"  # noqa: PLR2004
