"""Pages the gateway writes itself: templates, and the style sheets at ``/static``."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates


def _who(request: Request) -> dict[str, Any]:
    """What ``base.html`` shows of who looks at it."""
    return {
        "role": request.scope.get("agentarmy.role", ""),
        "may_log_out": request.scope.get("agentarmy.session", False),
    }


templates = Jinja2Templates(
    env=Environment(
        loader=PackageLoader("agentarmy_ops.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ),
    context_processors=[_who],
)


def static_files() -> Mount:
    """``/static``: style sheets; open to everybody, for the login page needs them."""
    return Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
