"""Dagster's side of the gateway: instance, code locations, UI. Opened in the background, so that
the gateway answers while code loads and while Dagster's storage cannot be reached."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import dagster
from dagster import DagsterInstance
from dagster._core.workspace.load_target import WorkspaceFileTarget
from starlette.types import ASGIApp

from agentarmy_ops.text import one_line
from agentarmy_ops.web.dagster_ui import RoleAwareWorkspace, create_dagster_ui
from agentarmy_ops.web.health.causes import NotWell, cause_of

logger = logging.getLogger(__name__)

# As dagster-webserver does by default: a query of the UI is cut after 15 seconds, a connection is
# renewed after an hour, and there may be 20 at a time and storage.
_STATEMENT_TIMEOUT_MS = 15_000
_POOL_RECYCLE_SECONDS = 3600
_POOL_MAX_OVERFLOW = 20
# How often a page of the UI asks again for what no websocket tells it.
_POLL_MS = 2000
# Seconds between tries to open the instance.
_TRY_AGAIN_SECONDS = 2.0
# How long the end waits for a code location that is being loaded, in seconds.
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Opened:
    """What is there once Dagster's storage answered and the code locations were asked for."""

    instance: DagsterInstance
    process: RoleAwareWorkspace
    ui: ASGIApp


class Workspace:
    """``opened`` is None until Dagster is there; ``error`` says why it is not."""

    def __init__(
        self,
        files: Sequence[Path],
        *,
        storage: Callable[[], None],
        beside: Callable[[DagsterInstance], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """``files`` are ``workspace.yaml`` and others like it. ``storage`` raises when Dagster's
        storage does not answer: Dagster itself would try for a dozen seconds before it says so.
        ``beside`` is entered when the instance is open, and left before it closes."""
        self.opened: Opened | None = None
        self.error: str | None = None
        self._files = [str(file) for file in files]
        self._storage = storage
        self._beside = beside
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="workspace", daemon=True)

    def start(self) -> None:
        """Open it in the background; try again until it works."""
        self._thread.start()

    def stop(self) -> None:
        """Close it; code servers that were started end."""
        self._ended.set()
        self._thread.join(_END_SECONDS)

    def get(self) -> Opened:
        """What is opened.

        Raises:
            NotWell: nothing yet.
        """
        if self.opened is None:
            raise NotWell(self.error or "still loading")
        return self.opened

    def check(self) -> None:
        """The health check of it.

        Raises:
            NotWell: nothing is opened yet.
        """
        self.get()

    def _live(self) -> None:
        while not self._ended.is_set():
            with ExitStack() as stack:
                try:
                    self.opened = self._open(stack)
                except Exception as error:  # noqa: BLE001 - storage may fail in any way
                    if self.error is None:
                        logger.warning("Dagster does not open: %s", one_line(str(error)))
                    self.error = f"Dagster does not open: {cause_of(error)}"
                    self._ended.wait(_TRY_AGAIN_SECONDS)
                    continue
                self.error = None
                self._ended.wait()
                self.opened = None

    def _open(self, stack: ExitStack) -> Opened:
        self._storage()
        instance = stack.enter_context(DagsterInstance.get())
        instance.optimize_for_webserver(
            _STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_SECONDS, _POOL_MAX_OVERFLOW
        )
        process = stack.enter_context(
            RoleAwareWorkspace(instance, WorkspaceFileTarget(self._files), dagster.__version__)
        )
        stack.enter_context(self._beside(instance))
        return Opened(instance, process, create_dagster_ui(process, live_data_poll_ms=_POLL_MS))
