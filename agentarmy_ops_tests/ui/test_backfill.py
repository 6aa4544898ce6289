import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.tenants.registry import read_tenant
from agentarmy_ops.tenants.sample import insert_sample_data
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.ui.conftest import LONGEST_WAIT, Up

SLUGS = ("acme", "globex", "skyvera-eu")
# Set to a folder to get the pictures of docs/ made again.
SCREENSHOTS = os.environ.get("SCREENSHOTS")


def screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def test_a_backfill_of_all_tenants_from_the_asset_page(
    start_up: Callable[..., Up], stack: Stack, request: pytest.FixtureRequest
) -> None:
    runtime = stack.runtime
    stack.tenants(*SLUGS)
    # Else the page asks whether one is sure, the upstream asset not being there.
    assert stack.run("provision_tenant", partitions=(SLUGS[0], SLUGS[-1])).success
    for number, slug in enumerate(SLUGS):
        with runtime.registry() as connection:
            tenant = read_tenant(connection, slug)
        insert_sample_data(runtime.owner, tenant, 20_000 * (number + 1))
    # Else the sensor would ask for backups at the same time.
    assert stack.run("backup_tenants", partitions=(SLUGS[0], SLUGS[-1])).success
    up = start_up()
    # Only now: Playwright keeps an event loop running, in which no job can be executed.
    page: Page = request.getfixturevalue("page")
    base = f"http://127.0.0.1:{up.port}"
    page.goto(f"{base}/assets/tenant_backup?view=partitions")
    for slug in SLUGS:
        expect(page.get_by_text(slug, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Materialize").click()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name="Launch backfill").click()
    page.goto(f"{base}/runs?view=backfills")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=LONGEST_WAIT * 1000)
    screenshot(page, "backfills")
    assert [len(list_backups(runtime.store, slug)) for slug in SLUGS] == [2, 2, 2]
    page.goto(f"{base}/fleet")
    page.get_by_role("link", name="Dagster: acme").click()
    expect(page).to_have_url(f"{base}/assets/tenant_backup?view=partitions&partition=acme")
    expect(page.get_by_text("compression_ratio")).to_be_visible()
    expect(page.get_by_text("Materialized (3)")).to_be_visible()
    screenshot(page, "backfill")


def test_the_nightly_schedule_backs_up_every_tenant_by_itself(
    start_up: Callable[..., Up], stack: Stack
) -> None:
    stack.tenants(*SLUGS)
    up = start_up(NIGHTLY_BACKUP_CRON="* * * * *")
    run = _run_after(up, "Completed scheduled launch of run ")
    for slug in SLUGS:
        up.wait_for(f"{run} - tenant_backup - {slug}: backup_id")
    up.wait_for("platform_backup - platform: backup_id")
    assert all(list_backups(stack.runtime.store, slug) for slug in (*SLUGS, None))


def test_the_sensor_backs_up_who_has_no_fresh_backup(
    start_up: Callable[..., Up], stack: Stack
) -> None:
    """Tenants that are no neighbours, which takes a run that lists them."""
    stack.tenants(*SLUGS)
    assert stack.run("backup_tenants", partition=SLUGS[1]).success
    up = start_up()
    run = _run_after(up, "Completed launch of run ")
    for slug in (SLUGS[0], SLUGS[2]):
        up.wait_for(f"{run} - tenant_backup - {slug}: backup_id")
    assert [len(list_backups(stack.runtime.store, slug)) for slug in SLUGS] == [1, 1, 1]


def _run_after(up: Up, words: str) -> str:
    """The id of the first run that the daemon names after these words."""
    return up.wait_for(words).partition(words)[2].split()[0]
