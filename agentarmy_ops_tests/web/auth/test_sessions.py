import time

import jwt
import pytest

from agentarmy_ops.web.auth import sessions as module
from agentarmy_ops.web.auth.identity import Reason, Role
from agentarmy_ops.web.auth.sessions import LIFETIME, Session, Sessions, session_key
from agentarmy_ops_tests.web.site import OPERATOR, VIEWER


@pytest.fixture
def sessions() -> Sessions:
    return Sessions({Role.OPERATOR: OPERATOR, Role.VIEWER: VIEWER})


def _read(sessions: Sessions, text: str) -> Session:
    session = sessions.read(text)
    assert isinstance(session, Session)
    return session


@pytest.mark.parametrize("role", list(Role))
def test_a_session_lasts_a_working_day(sessions: Sessions, role: Role) -> None:
    session = _read(sessions, sessions.begin(role))
    assert session.role is role
    assert session.expires == pytest.approx(time.time() + LIFETIME, abs=60)


@pytest.mark.parametrize(("role", "token"), [(Role.OPERATOR, OPERATOR), (Role.VIEWER, VIEWER)])
def test_a_page_left_open_is_told_from_a_forgery(
    sessions: Sessions, role: Role, token: str
) -> None:
    claims = {"role": role.value, "iat": 1, "exp": LIFETIME, "jti": "1"}
    expired = jwt.encode(claims, session_key(token, role), "HS256")
    assert sessions.read(expired) is Reason.ENDED_SESSION
    assert sessions.read(jwt.encode(claims, "0" * 32, "HS256")) is Reason.BAD_SESSION
    assert sessions.read("x") is Reason.BAD_SESSION


def test_an_ended_session_stays_ended(sessions: Sessions) -> None:
    one, other = sessions.begin(Role.VIEWER), sessions.begin(Role.VIEWER)
    sessions.end(_read(sessions, one))
    assert sessions.read(one) is Reason.ENDED_SESSION
    assert isinstance(sessions.read(other), Session)


def test_ended_sessions_are_remembered_in_bounded_memory(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ENDED", 3)
    texts = [sessions.begin(Role.VIEWER) for _ in range(5)]
    for text in texts:
        sessions.end(_read(sessions, text))
    assert [sessions.read(text) is Reason.ENDED_SESSION for text in texts[2:]] == [True] * 3
    assert len(sessions._ended) == 3


def test_each_role_and_each_token_has_a_key_of_its_own() -> None:
    keys = {session_key(token, role) for token in (OPERATOR, VIEWER) for role in Role}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
