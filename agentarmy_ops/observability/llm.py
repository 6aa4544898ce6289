"""How many calls to language models there were, how long they took, and what they used."""

from concurrent.futures import CancelledError
from time import perf_counter
from types import TracebackType
from typing import Self
from uuid import UUID

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from agentarmy_ops.observability.context import current_tenant
from agentarmy_ops.observability.instruments import once_per_registry
from agentarmy_ops.observability.tenant_label import UNKNOWN_TENANT

# Seconds: from a cached short answer to one that thinks for minutes.
_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


class _Instruments:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "llm_requests_total",
            "Calls to language models, by how they ended: success, error or cancelled",
            ["model", "tenant_id", "status"],
            registry=registry,
        )
        self.duration = Histogram(
            "llm_request_duration_seconds",
            "Time that a call to a language model took, however it ended",
            ["model", "tenant_id"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.tokens = Counter(
            "llm_tokens_used_total",
            "Tokens that language models read (prompt) and wrote (completion)",
            ["model", "tenant_id", "token_type"],
            registry=registry,
        )


_instruments = once_per_registry(_Instruments)


class LlmCall:
    """One call to a language model: a context manager, for ``with`` and ``async with``, once."""

    def __init__(self, model: str, tenant_id: str, instruments: _Instruments) -> None:
        self._model = model
        self._tenant_id = tenant_id
        self._instruments = instruments
        self._began: float | None = None

    def count_tokens(self, *, prompt: int = 0, completion: int = 0) -> None:
        """Add tokens that were used; called again, it adds more, also after the block.

        Raises:
            ValueError: a number is not a whole one from 0 on; nothing was counted.
        """
        used = {"prompt": prompt, "completion": completion}
        for token_type, number in used.items():
            if type(number) is not int or number < 0:
                raise ValueError(f"{token_type} tokens are {number!r}, not a number from 0 on")
        for token_type, number in used.items():
            self._instruments.tokens.labels(self._model, self._tenant_id, token_type).inc(number)

    def __enter__(self) -> Self:
        if self._began is not None:
            raise RuntimeError("each call of a model needs its own track_llm_call()")
        self._began = perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        seconds = perf_counter() - (self._began or 0)
        status = _status(error)
        self._instruments.requests.labels(self._model, self._tenant_id, status).inc()
        self._instruments.duration.labels(self._model, self._tenant_id).observe(seconds)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def track_llm_call(
    model: str,
    tenant_id: UUID | str | None = None,
    *,
    registry: CollectorRegistry = REGISTRY,
) -> LlmCall:
    """Count and time the block as one call to ``model``, for ``with`` or ``async with``.

    ``llm_requests_total{model,tenant_id,status}``, ``llm_request_duration_seconds`` and, by
    :meth:`LlmCall.count_tokens` of what the block is given, ``llm_tokens_used_total{token_type}``.
    ``tenant_id`` is by default that of :func:`~agentarmy_ops.tenants.context.current_tenant`,
    and ``unknown`` outside of any.

    An exception that leaves the block makes it an ``error``, and goes on. ``cancelled`` are calls
    that were given up from outside: their task was cancelled, a generator that streams them was
    closed before its end, the process was interrupted or is ending.
    """
    if tenant_id is None:
        tenant = current_tenant()
        tenant_id = tenant.tenant_id if tenant else UNKNOWN_TENANT
    return LlmCall(model, str(tenant_id), _instruments(registry))


def _status(error: BaseException | None) -> str:
    if error is None:
        return "success"
    # asyncio.CancelledError, GeneratorExit, KeyboardInterrupt and SystemExit are no Exceptions;
    # the future of a thread pool has a CancelledError that is one.
    given_up = not isinstance(error, Exception) or isinstance(error, CancelledError)
    return "cancelled" if given_up else "error"
