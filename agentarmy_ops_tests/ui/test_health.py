from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_tenants import AppDatabase
from agentarmy_ops_tests.ui.conftest import LONGEST_WAIT, Up
from agentarmy_ops_tests.ui.test_backfill import screenshot


def test_a_tenant_that_is_not_isolated_says_so_on_its_partition(
    start_up: Callable[..., Up],
    stack: Stack,
    app_database: AppDatabase,
    request: pytest.FixtureRequest,
) -> None:
    stack.tenants("acme", "globex")
    assert stack.run("provision_tenant", partitions=("acme", "globex")).success
    assert stack.run("backup_tenants", partitions=("acme", "globex")).success
    with app_database.owner.connect() as connection:
        connection.execute("ALTER TABLE tenant_acme.users NO FORCE ROW LEVEL SECURITY")
    up = start_up()
    up.wait_for("1 new problems, 0 recovered, 1 present")
    page: Page = request.getfixturevalue("page")
    page.goto(f"http://127.0.0.1:{up.port}/assets/tenant?view=partitions&partition=acme")
    told = page.get_by_text("tenant acme is not isolated").first
    expect(told).to_be_visible(timeout=LONGEST_WAIT * 1000)
    screenshot(page, "health")
