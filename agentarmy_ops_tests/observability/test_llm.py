"""Calls to language models are counted by how they end."""

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from agentarmy_ops.observability.context import TenantContext, tenant_context
from agentarmy_ops.observability.llm import LlmCall, track_llm_call
from agentarmy_ops_tests.observability.samples import Samples

MODEL, TENANT = "small-1", uuid4()


@pytest.fixture
def call(registry: CollectorRegistry) -> LlmCall:
    return track_llm_call(MODEL, TENANT, registry=registry)


def statuses(samples: Samples) -> list[str]:
    return [labels["status"] for labels in samples.all("llm_requests_total")]


def timed(samples: Samples) -> float:
    return samples.value("llm_request_duration_seconds_count", model=MODEL, tenant_id=str(TENANT))


def test_success(call: LlmCall, samples: Samples) -> None:
    with call:
        assert statuses(samples) == []
    assert samples.all("llm_requests_total") == [
        {"model": MODEL, "tenant_id": str(TENANT), "status": "success"}
    ]
    assert timed(samples) == 1


def test_success_of_a_coroutine(call: LlmCall, samples: Samples) -> None:
    async def main() -> None:
        async with call as same:
            assert same is call

    asyncio.run(main())
    assert statuses(samples) == ["success"]
    assert timed(samples) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), "error"),
        (TimeoutError(), "error"),
        (ExceptionGroup("x", [ValueError("x")]), "error"),
        (asyncio.CancelledError(), "cancelled"),
        (concurrent.futures.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(0), "cancelled"),
        (BaseExceptionGroup("x", [asyncio.CancelledError()]), "cancelled"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_what_goes_wrong_goes_on_and_is_counted(
    call: LlmCall, samples: Samples, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)) as caught, call:
        raise error
    assert caught.value is error
    assert statuses(samples) == [status]
    assert timed(samples) == 1


def test_a_task_that_is_cancelled(call: LlmCall, samples: Samples) -> None:
    async def ask(begun: asyncio.Event) -> None:
        async with call:
            begun.set()
            await asyncio.Event().wait()

    async def main() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(ask(begun))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert statuses(samples) == ["cancelled"]


def test_a_timeout_within_is_an_error_and_one_around_gives_up(
    registry: CollectorRegistry, samples: Samples
) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with track_llm_call("within", registry=registry), asyncio.timeout(0):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), track_llm_call("around", registry=registry):
                await asyncio.Event().wait()

    asyncio.run(main())
    assert {(each["model"], each["status"]) for each in samples.all("llm_requests_total")} == {
        ("within", "error"),
        ("around", "cancelled"),
    }


def test_a_stream_that_nobody_reads_to_its_end(call: LlmCall, samples: Samples) -> None:
    def stream() -> Iterator[str]:
        with call:
            yield "one"
            yield "two"

    words = stream()
    assert next(words) == "one"
    words.close()  # type: ignore[attr-defined]
    assert statuses(samples) == ["cancelled"]


def test_an_asynchronous_stream_that_nobody_reads_to_its_end(
    call: LlmCall, samples: Samples
) -> None:
    async def stream() -> AsyncIterator[str]:
        async with call:
            yield "one"
            yield "two"

    async def main() -> None:
        words = stream()
        assert await anext(words) == "one"
        await words.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
    assert statuses(samples) == ["cancelled"]


def test_tokens_add_up_also_after_the_block(call: LlmCall, samples: Samples) -> None:
    with call:
        call.count_tokens(prompt=10, completion=3)
    call.count_tokens(completion=4)
    labels = {"model": MODEL, "tenant_id": str(TENANT)}
    assert samples.value("llm_tokens_used_total", token_type="prompt", **labels) == 10
    assert samples.value("llm_tokens_used_total", token_type="completion", **labels) == 7


@pytest.mark.parametrize("wrong", [-1, 1.5, 3.0, float("nan"), True, "7", None])
def test_wrong_numbers_are_refused_and_nothing_is_counted(
    call: LlmCall, samples: Samples, wrong: object
) -> None:
    for numbers in ({"prompt": 1, "completion": wrong}, {"prompt": wrong}):
        with pytest.raises(ValueError, match=r"tokens are .*, not a number from 0 on"):
            call.count_tokens(**numbers)  # type: ignore[arg-type]
    assert samples.all("llm_tokens_used_total") == []


def test_each_call_is_tracked_once(call: LlmCall, samples: Samples) -> None:
    with call:
        pass
    with pytest.raises(RuntimeError, match="its own"), call:
        pass
    assert timed(samples) == 1


def test_the_tenant_is_the_one_given_else_the_one_at_hand(
    registry: CollectorRegistry, samples: Samples
) -> None:
    acme = TenantContext(uuid4(), "acme")
    with tenant_context(acme):
        with track_llm_call(MODEL, registry=registry):
            pass
        with track_llm_call(MODEL, "tenant-7", registry=registry):
            pass
    with track_llm_call(MODEL, registry=registry):
        pass
    assert {labels["tenant_id"] for labels in samples.all("llm_requests_total")} == {
        str(acme.tenant_id),
        "tenant-7",
        "unknown",
    }
