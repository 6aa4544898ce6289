"""What a keyboard, a screen reader and eyes need, on every page there is."""

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops_tests.web.fleet.invented import large_fleet, nights, tenant
from agentarmy_ops_tests.web.fleet.reading import Reading
from agentarmy_ops_tests.web.markup import Element, parse
from agentarmy_ops_tests.web.site import served

_WEB = Path(__file__).parents[3] / "agentarmy_ops" / "web"
PAGES = {
    "fleet": "/fleet?page=2",
    "found": "/fleet?q=acme&state=active&sort=age&order=desc",
    "nobody found": "/fleet?q=nobody-is-called-so",
    "tenant": "/fleet/aaa",
    "new": "/fleet/aab",
    "platform": "/fleet/_platform",
    "unknown": "/fleet/unknown",
    "bad": "/fleet?page=x",
}


@pytest.fixture(scope="module")
def pages() -> dict[str, Element]:
    """All of them."""
    reading = Reading()
    with served(reading.pages()) as site:
        found = {"waiting": parse(site.get("/fleet").text)}
        many = large_fleet(220, 3)
        verdicts = [Status.VERIFIED, Status.FAILED, None]
        extra = (tenant("aaa", nights([9, 8, 7], verdicts=verdicts)), tenant("aab", problem="bad"))
        reading.read(replace(many, tenants=(*many.tenants, *extra), problems=("one",)))
        reading.read("the store is away")
        return found | {name: parse(site.get(path).text) for name, path in PAGES.items()}


@pytest.fixture(params=[*PAGES, "waiting"])
def page(request: pytest.FixtureRequest, pages: dict[str, Element]) -> Element:
    """One of them."""
    return pages[request.param]


def test_a_page_says_what_it_is(page: Element) -> None:
    assert page.one("html").attributes["lang"] == "en"
    assert page.one("head").one("title").text.endswith(" · agentarmy-ops")
    assert "width=device-width" in page.one("meta", name="viewport").attributes["content"]
    assert "maximum-scale" not in page.one("meta", name="viewport").attributes["content"]
    assert len(page.all("main")) == 1
    skip = page.all("a")[0]
    assert skip.attributes["href"] == f"#{page.one('main').attributes['id']}"


def test_headings_leave_no_level_out(page: Element) -> None:
    levels = [int(each.tag[1]) for each in page if re.fullmatch("h[1-6]", each.tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_no_name_twice_and_no_reference_into_nothing(page: Element) -> None:
    ids = Counter(each.attributes["id"] for each in page if "id" in each.attributes)
    assert all(count == 1 for count in ids.values()), ids
    references = {
        name
        for each in page
        for attribute in ("aria-labelledby", "aria-describedby", "for")
        for name in each.attributes.get(attribute, "").split()
    }
    assert references <= set(ids)


def test_every_field_has_a_label_and_every_picture_a_text(page: Element) -> None:
    labelled = {each.attributes["for"] for each in page.all("label")}
    for each in page:
        if each.tag in {"input", "select"}:
            assert each.attributes["id"] in labelled
    silent = {id(svg) for each in page.all("p", aria_hidden="true") for svg in each.all("svg")}
    for svg in page.all("svg"):
        if id(svg) not in silent:
            assert svg.attributes["role"] == "img"
            assert svg.attributes.get("aria-label") or svg.attributes.get("aria-labelledby")


def test_tables_have_captions_and_headings(page: Element) -> None:
    for table in page.all("table"):
        assert table.one("caption").text
        assert all("scope" in each.attributes for each in table.all("th"))
        columns = len(table.one("thead").all("th"))
        for body in table.all("tbody"):
            for row in body.all("tr"):
                assert len(row.all("th")) == 1
                assert len(row.all("th") + row.all("td")) == columns


def test_what_scrolls_can_be_reached_by_keyboard(page: Element) -> None:
    for each in page.all("div", class_="scroll"):
        assert each.attributes["tabindex"] == "0"
        assert (each.attributes["role"], bool(each.attributes["aria-label"])) == ("region", True)


def test_links_have_words_and_controls_are_not_in_each_other(page: Element) -> None:
    for link in page.all("a"):
        assert link.text
        assert link.attributes.get("aria-label", link.text).find(link.text) >= 0
        assert [each.tag for each in link if each.tag in {"a", "button"}] == ["a"]


def test_nothing_that_the_security_policy_forbids(page: Element) -> None:
    for each in page:
        assert each.tag not in {"script", "style", "iframe", "object", "base"}
        assert "style" not in each.attributes
        assert not any(name.startswith("on") for name in each.attributes)
        for name in ("href", "src", "action"):
            assert re.match(r"/(?!/)|#|$", each.attributes.get(name, "")), each.attributes


# Text and what it stands on, by the style sheets.
_TEXTS = [
    (text, ground)
    for ground in ("background", "surface")
    for text in ("text", "muted", "accent", "bad")
] + [("good", "good-surface"), ("warn", "warn-surface"), ("bad", "bad-surface")]
_TEXTS.append(("on-accent", "accent"))
# Marks, lines and borders that say something: 3 is enough for them.
_SHAPES = [
    *((shape, "surface") for shape in ("good", "bad", "warn", "muted", "accent", "control")),
    *((shape, "background") for shape in ("good", "bad", "warn")),
]


def _schemes() -> dict[str, dict[str, str]]:
    sheet = (_WEB / "static" / "base.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    colours = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
    bright = dict(colours.findall(light))
    return {"light": bright, "dark": bright | dict(colours.findall(dark))}


def _luminance(colour: str) -> float:
    """Relative luminance, as the Web Content Accessibility Guidelines define it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_right() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(scheme: str) -> None:
    colours = _schemes()[scheme]
    measured = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in _TEXTS}
    assert {pair: ratio for pair, ratio in measured.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shapes_can_be_seen(scheme: str) -> None:
    colours = _schemes()[scheme]
    measured = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in _SHAPES}
    assert {pair: ratio for pair, ratio in measured.items() if ratio < 3} == {}


def test_the_style_sheet_has_no_colour_of_its_own_and_no_rule_for_nobody() -> None:
    sheet = re.sub(r"/\*.*?\*/", "", (_WEB / "static" / "fleet.css").read_text(), flags=re.DOTALL)
    base = (_WEB / "static" / "base.css").read_text()
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s])|rgb|hsl", sheet) == []
    assert set(re.findall(r"var\(--([\w-]+)\)", sheet)) <= set(re.findall(r"--([\w-]+):", base))
    templates = "".join(
        path.read_text() for path in (*_WEB.glob("templates/**/*.html"), *_WEB.glob("fleet/*.py"))
    )
    classes = set(re.findall(r"\.([a-z][\w-]*)(?=[^{}]*\{)", sheet))
    assert {name for name in classes if not re.search(rf"\b{name}\b", templates)} == set()


def test_motion_is_nowhere() -> None:
    for path in _WEB.glob("static/*.css"):
        assert not re.search(r"transition|animation|scroll-behavior", path.read_text()), path
