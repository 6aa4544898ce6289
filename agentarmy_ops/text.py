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
    """How long ago in the unit that suits: ``40 s``, ``5 min``, ``7 h``, ``12 d``."""
    whole = max(0, int(seconds_ago))
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:  # noqa: PLR2004
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"  # noqa: PLR2004


def duration(value: float) -> str:
    """How long in the units that suit: ``0.68 s``, ``42 s``, ``5 min 3 s``, ``2 h 5 min``."""
    if value < 10:  # noqa: PLR2004
        return f"{value:.2f} s"
    whole = round(value)
    minutes, left = divmod(whole, 60)
    if not minutes:
        return f"{left} s"
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (0 if hours else left, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
