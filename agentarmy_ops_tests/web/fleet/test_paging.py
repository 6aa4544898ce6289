import pytest

from agentarmy_ops.web.fleet.paging import page_of


@pytest.mark.parametrize(
    ("total", "asked", "number", "pages", "first", "last"),
    [
        (0, 1, 1, 1, 0, 0),
        (0, 9, 1, 1, 0, 0),
        (1, 1, 1, 1, 1, 1),
        (100, 1, 1, 1, 1, 100),
        (101, 1, 1, 2, 1, 100),
        (101, 2, 2, 2, 101, 101),
        (250, 99, 3, 3, 201, 250),
    ],
)
def test_where_a_page_begins_and_ends(
    total: int, asked: int, number: int, pages: int, first: int, last: int
) -> None:
    page = page_of(range(1, total + 1), asked)
    assert (page.number, page.pages, page.first, page.last) == (number, pages, first, last)
    assert list(page.items) == list(range(first, last + 1)) if total else not page.items
    assert page.total == total


@pytest.mark.parametrize(
    ("pages", "number", "shown"),
    [
        (1, 1, "1"),
        (5, 3, "1 2 3 4 5"),
        (100, 1, "1 2 3 . 100"),
        (100, 4, "1 2 3 4 5 6 . 100"),
        (100, 5, "1 2 3 4 5 6 7 . 100"),
        (100, 6, "1 . 4 5 6 7 8 . 100"),
        (100, 96, "1 . 94 95 96 97 98 99 100"),
        (100, 100, "1 . 98 99 100"),
    ],
)
def test_a_gap_stands_for_two_pages_at_least(pages: int, number: int, shown: str) -> None:
    page = page_of(range(pages * 100), number)
    assert " ".join(str(each or ".") for each in page.numbers) == shown
