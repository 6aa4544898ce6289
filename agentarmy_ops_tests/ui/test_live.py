"""Dagster's UI through the gateway hears of what happens by its websocket."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dagster import DagsterRun
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from playwright.sync_api import Page, expect

from agentarmy_ops.definitions import defs
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.ui.conftest import LONGEST_WAIT
from agentarmy_ops_tests.web.test_gateway import started, wait_until
from agentarmy_ops_tests.web.whole import whole_gateway

# Set to a folder to get the pictures of docs/ made again.
SCREENSHOTS = os.environ.get("SCREENSHOTS")


def test_a_page_follows_a_run_without_being_loaded_again(
    stack: Stack, request: pytest.FixtureRequest
) -> None:
    stack.tenants("acme", "globex", "skyvera-eu")
    job = defs.resolve_job_def("prune_backups")
    run = stack.instance.create_run_for_job(job)

    def execute() -> DagsterRun | None:
        execute_run(InMemoryJob(job), run, stack.instance)
        return stack.instance.get_run_by_id(run.run_id)

    with whole_gateway() as site, ThreadPoolExecutor() as threads:
        wait_until(site, "/health/startup", started)
        page: Page = request.getfixturevalue("page")
        frames: list[str] = []
        page.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
        )
        page.goto(f"{site.url}/runs/{run.run_id}")
        expect(page.get_by_text("Not Started").first).to_be_visible()
        page.evaluate("window.loadedOnce = true")
        # In a thread: Playwright keeps an event loop running here, in which no job can be executed.
        finished = threads.submit(execute)
        expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
        expect(page.get_by_text("Success", exact=True).first).to_be_visible()
        assert page.evaluate("window.loadedOnce")
        assert any("RunSuccessEvent" in frame for frame in frames)
        assert (done := finished.result(LONGEST_WAIT))
        assert done.is_success
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS) / "gateway-run.png")
