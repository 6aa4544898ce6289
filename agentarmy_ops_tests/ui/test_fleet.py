"""The fleet's pages as people use them."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops_tests.web.fleet.hostile import HOSTILE
from agentarmy_ops_tests.web.fleet.invented import large_fleet, nights, tenant
from agentarmy_ops_tests.web.fleet.reading import Reading
from agentarmy_ops_tests.web.site import Site, served

# Set to a folder to get the pictures of docs/ made again.
SCREENSHOTS = os.environ.get("SCREENSHOTS")
PHONE = 390
WEEKLY = [Status.VERIFIED, *[None] * 6]
ACME = tenant(
    "acme",
    nights(
        [int((3 << 20) * 1.012**night) for night in range(30)],
        verdicts=[*WEEKLY, *WEEKLY, Status.FAILED, *WEEKLY, None, None, None, Status.VERIFIED],
    ),
    name="Acme Robotics",
    backups=57,
    stored_bytes=150 << 20,
)
# At the end of the list, so that a picture of its beginning is one of a usual fleet.
STRANGE = tuple(
    tenant(f"zz-{number:02d}", nights([9, 9]), name=name, problem=name)
    for number, name in enumerate(HOSTILE.values())
)


@pytest.fixture
def site() -> Iterator[Site]:
    """250 tenants, and some with strange names."""
    reading = Reading()
    many = large_fleet(250)
    tenants = sorted((ACME, *many.tenants, *STRANGE), key=lambda each: each.slug)
    reading.read(replace(many, tenants=tenants))
    with served(reading.pages()) as site:
        yield site


def screenshot(page: Page, name: str, height: int) -> None:
    if SCREENSHOTS:
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})  # type: ignore[index]
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def slugs(page: Page) -> list[str]:
    """Of the tenants on the page, without the platform part."""
    return page.locator("tbody:last-child th a").all_inner_texts()


def wider_than_the_window(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_find_a_tenant_and_what_to_do_for_it(site: Site, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{site.url}/fleet")
    screenshot(page, "fleet", 800)
    page.emulate_media(color_scheme="dark")
    screenshot(page, "fleet-dark", 800)
    page.emulate_media(color_scheme="light")
    assert wider_than_the_window(page) <= 0
    assert len(slugs(page)) == 100
    assert slugs(page)[0] == "acme"

    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("status")).to_have_text("101\u2013200 of 263 tenants")
    page.get_by_role("link", name="Stored").click()
    heading = page.get_by_role("columnheader", name="Stored")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    smallest = slugs(page)[0]
    page.get_by_role("link", name="Stored").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert slugs(page)[0] != smallest

    page.get_by_label("Search").fill("robotics")
    page.get_by_label("Verdict").select_option("verified")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_role("status")).to_have_text("1 tenant")
    expect(heading).to_have_attribute("aria-sort", "descending")
    page.get_by_role("link", name="acme", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("acme")
    screenshot(page, "tenant", 1060)
    line = page.get_by_text("agentarmy-ops restore acme --dry-run")
    line.click()
    assert page.evaluate("getSelection().toString()") == "agentarmy-ops restore acme --dry-run"
    assert page.locator("svg.plot :is(circle, rect, path)").count() == 30
    expect(page.get_by_role("img", name="Stored size of the backups of acme")).to_be_visible()
    page.get_by_role("link", name="Fleet").first.click()
    expect(page).to_have_url(f"{site.url}/fleet")
    assert said == []


def test_strange_names_on_a_phone(site: Site, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.goto(f"{site.url}/fleet?q=acme&order=desc")
    screenshot(page, "fleet-phone", 1400)
    page.goto(f"{site.url}/fleet?q=zz-")
    assert len(slugs(page)) == len(STRANGE)
    assert wider_than_the_window(page) <= 0
    # A row is a table's row, though it looks like a card.
    expect(page.get_by_role("row")).to_have_count(len(STRANGE))
    page.get_by_label("Sort by").select_option("tenant")
    page.get_by_label("Order").select_option("descending")
    page.get_by_role("button", name="Show").click()
    assert slugs(page)[-1] == "zz-00"
    for slug in slugs(page):
        page.goto(f"{site.url}/fleet/{slug}")
        assert wider_than_the_window(page) <= 0, slug
    page.goto(f"{site.url}/fleet/acme")
    assert wider_than_the_window(page) <= 0
    assert said == []


def test_with_the_keyboard_alone(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/fleet")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("Search").focus()
    page.keyboard.type("acme")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Search")).to_have_value("acme")
    scroll = page.get_by_role("region", name="Tenants")
    scroll.focus()
    page.keyboard.press("Tab")
    expect(page.locator("thead a").first).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
