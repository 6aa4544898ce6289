import asyncio
from typing import Any

from agentarmy_ops.web.auth.identity import Identity, Reason, Refusal, Role
from agentarmy_ops.web.auth.metrics_gate import MetricsGate
from agentarmy_ops.web.auth.rate_limit import FAILURES_OF_ALL, RateLimit
from agentarmy_ops.web.auth.sessions import Sessions
from agentarmy_ops.web.auth.tokens import TokenGate
from agentarmy_ops_tests.web.site import METRICS, OPERATOR


def _scope(client: str, token: str) -> dict[str, Any]:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return {"type": "http", "scheme": "http", "client": (client, 1), "headers": headers}


def test_others_failures_hold_back_nobody_who_was_right_before() -> None:
    tokens = {Role.OPERATOR: OPERATOR}
    limit = RateLimit(lambda: 0.0)
    gate = TokenGate(tokens, Sessions(tokens), limit, None)
    metrics = MetricsGate(METRICS, gate, limit)

    async def answers(address: str) -> tuple[Identity | Refusal, Identity | Refusal]:
        return (
            await gate.identify(_scope(address, OPERATOR)),
            await metrics.identify(_scope(address, METRICS)),
        )

    async def body() -> None:
        person, prometheus = _scope("192.0.2.1", OPERATOR), _scope("192.0.2.2", METRICS)
        assert isinstance(await gate.identify(person), Identity)
        assert isinstance(await metrics.identify(prometheus), Identity)
        for number in range(FAILURES_OF_ALL):
            wrong = await gate.identify(_scope(f"198.51.{number // 256}.{number % 256}", "wrong"))
            assert isinstance(wrong, Refusal)
            assert wrong.reason is Reason.WRONG_TOKEN
        for refused in await answers("203.0.113.1"):
            assert isinstance(refused, Refusal)
            assert refused.reason is Reason.RATE_LIMITED
        for known in ("192.0.2.1", "192.0.2.2"):
            assert all(isinstance(answer, Identity) for answer in await answers(known))

    asyncio.run(body())
