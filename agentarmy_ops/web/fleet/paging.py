"""A long list in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

PAGE_SIZE = 100
_AROUND = 2

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Page(Generic[_Item]):
    """The ``number``-th of ``pages``, counted from 1; ``first`` is the place of its first item in
    the list, from 1 too, and 0 where there is none."""

    items: Sequence[_Item]
    number: int
    pages: int
    first: int
    total: int

    @property
    def last(self) -> int:
        """The place of its last item."""
        return self.first + len(self.items) - 1 if self.items else 0

    @property
    def numbers(self) -> list[int | None]:
        """The pages to link to: the first, the last, and those around this; None is a gap."""
        near = range(self.number - _AROUND, self.number + _AROUND + 1)
        shown = sorted({1, self.pages, *(n for n in near if 1 <= n <= self.pages)})
        numbers: list[int | None] = []
        for number in shown:
            gap = number - 1 - (numbers[-1] or 0) if numbers else 0
            if gap:
                numbers.append(number - 1 if gap == 1 else None)
            numbers.append(number)
        return numbers


def page_of(items: Sequence[_Item], number: int) -> Page[_Item]:
    """A page of a list; the last one where there are not so many."""
    pages = max(1, -(-len(items) // PAGE_SIZE))
    number = min(number, pages)
    start = (number - 1) * PAGE_SIZE
    shown = items[start : start + PAGE_SIZE]
    return Page(shown, number, pages, start + 1 if shown else 0, len(items))
