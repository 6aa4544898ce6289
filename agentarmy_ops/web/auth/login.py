"""``/login`` and ``/logout``: a token for a session, and the session back."""

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from agentarmy_ops.web.auth.failures import record
from agentarmy_ops.web.auth.identity import Refusal
from agentarmy_ops.web.auth.origin import is_secure
from agentarmy_ops.web.auth.paths import LOGIN, LOGOUT, is_local
from agentarmy_ops.web.auth.sessions import LIFETIME, Session, Sessions
from agentarmy_ops.web.auth.tokens import TokenGate
from agentarmy_ops.web.pages import templates


class Login:
    """The two pages."""

    def __init__(self, gate: TokenGate, sessions: Sessions, gateway_url: str | None) -> None:
        self._gate = gate
        self._sessions = sessions
        self._gateway_url = gateway_url
        self.routes = [
            Route(LOGIN, self._form, methods=["GET"], name="login"),
            Route(LOGIN, self._enter, methods=["POST"]),
            Route(LOGOUT, self._leave, methods=["POST"], name="logout"),
        ]

    async def _form(self, request: Request) -> Response:
        return _page(request, _local(request.query_params.get("next")))

    async def _enter(self, request: Request) -> Response:
        async with request.form(max_files=0, max_fields=10) as form:
            target, token = _local(form.get("next")), _text(form, "token").strip()
        found = self._gate.try_token(request.scope, token)
        if isinstance(found, Refusal):
            record(request.scope, found)
            return _page(request, target, found)
        response = RedirectResponse(target, 303)
        self._set_cookie(request, response, self._sessions.begin(found.role), LIFETIME)
        return response

    async def _leave(self, request: Request) -> Response:
        session = self._gate.session(request.scope)
        if isinstance(session, Session):
            self._sessions.end(session)
        response = RedirectResponse(LOGIN, 303)
        self._set_cookie(request, response, "", 0)
        return response

    def _set_cookie(self, request: Request, response: Response, value: str, age: int) -> None:
        """Lax, not Strict: with Strict a link in a notification would lead to the login form
        whoever is logged in. What Lax adds are GET requests, and these change nothing."""
        response.set_cookie(
            self._gate.cookie_name(request.scope),
            value,
            max_age=age,
            path="/",
            secure=is_secure(request.scope, self._gateway_url),
            httponly=True,
            samesite="lax",
        )
        response.headers["Cache-Control"] = "no-store"


def _page(request: Request, target: str, refusal: Refusal | None = None) -> Response:
    headers = {"Cache-Control": "no-store"}
    if refusal and refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    error = refusal.message[0].upper() + refusal.message[1:] + "." if refusal else None
    return templates.TemplateResponse(
        request,
        "login.html",
        {"next": target, "error": error},
        status_code=refusal.status if refusal else 200,
        headers=headers,
    )


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _local(target: object) -> str:
    """Where to go after the login: never to another site, whatever the link to us said."""
    return target if isinstance(target, str) and is_local(target) else "/"
