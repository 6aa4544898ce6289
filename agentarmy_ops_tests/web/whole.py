"""The gateway as a whole, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentarmy_ops.runtime import Runtime
from agentarmy_ops.web.app import create_gateway
from agentarmy_ops_tests.web.site import Site, served

_WAITING = """
code_servers:
  wait_for_local_processes_on_shutdown: true
"""


@contextmanager
def whole_gateway(workspace: str = "workspace.yaml") -> Iterator[Site]:
    """Served over the instance of the working directory. Its code servers have ended when it has:
    this process lives on, and the next test would find what is left of them."""
    configuration = Path("dagster.yaml")
    written = configuration.read_text()
    if _WAITING not in written:
        configuration.write_text(written + _WAITING)
    with served(create_gateway(Runtime(), [Path(workspace)])) as site:
        yield site
