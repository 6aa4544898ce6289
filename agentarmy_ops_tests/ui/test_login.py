import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.ui.conftest import LONGEST_WAIT
from agentarmy_ops_tests.web.site import OPERATOR, TOKENS, VIEWER, Site
from agentarmy_ops_tests.web.whole import whole_gateway

# Set to a folder to get the pictures of docs/ made again.
SCREENSHOTS = os.environ.get("SCREENSHOTS")
ASSET = "/assets/tenant_backup"


@pytest.fixture
def gateway(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """All of it, once Dagster is loaded."""
    stack.tenants("acme")
    for name, value in TOKENS.items():
        monkeypatch.setenv(name.upper(), value)
    with whole_gateway() as site:
        deadline = time.monotonic() + LONGEST_WAIT
        while site.get("/health/startup").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        yield site


def screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def _log_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()


def _shots(page: Page) -> None:
    screenshot(page, "login")
    page.emulate_media(color_scheme="dark")
    screenshot(page, "login-dark")
    page.emulate_media(color_scheme="light")


def test_a_viewer_logs_in_and_out(gateway: Site, request: pytest.FixtureRequest) -> None:
    page: Page = request.getfixturevalue("page")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.set_viewport_size({"width": 720, "height": 480})
    page.goto(f"{gateway.url}{ASSET}")
    expect(page).to_have_url(f"{gateway.url}/login?next={ASSET}")
    expect(page.get_by_label("Token")).to_be_focused()
    _shots(page)
    page.set_viewport_size({"width": 390, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    _log_in(page, "not the token")
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("The token is not one that lets in.")
    expect(page.get_by_label("Token")).to_have_attribute("aria-describedby", "error")
    screenshot(page, "login-phone")
    assert [text for text in problems if "401" not in text] == []
    _log_in(page, VIEWER)

    # Where they wanted to go, and what they may not do there.
    page.set_viewport_size({"width": 1280, "height": 720})
    expect(page).to_have_url(f"{gateway.url}{ASSET}")
    materialize = page.get_by_role("button", name="Materialize")
    expect(page.get_by_text("Partitions", exact=True).first).to_be_visible()  # it is loaded
    expect(materialize).to_be_disabled()
    materialize.hover(force=True)
    expect(page.get_by_text("You do not have permission")).to_be_visible()
    screenshot(page, "viewer")
    assert page.evaluate("document.cookie") == "", "scripts must not see the session"

    page.goto(f"{gateway.url}/fleet")
    expect(page.get_by_role("banner").locator(".who")).to_have_text("viewer")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{gateway.url}/login")
    page.goto(f"{gateway.url}/fleet")
    expect(page).to_have_url(f"{gateway.url}/login?next=/fleet")
    _log_in(page, OPERATOR)
    expect(page).to_have_url(f"{gateway.url}/fleet")
    page.goto(f"{gateway.url}{ASSET}")
    expect(materialize).to_be_enabled()
