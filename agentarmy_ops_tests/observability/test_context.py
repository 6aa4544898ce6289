"""Tenant and user go along with the code that works for them, and nowhere else."""

import asyncio
import contextvars
import threading
from uuid import uuid4

import pytest

from agentarmy_ops.observability.context import (
    TenantContext,
    current_tenant,
    current_user_id,
    tenant_context,
    user_context,
)

ACME = TenantContext(uuid4(), "acme")


def who() -> tuple[TenantContext | None, str | None]:
    return current_tenant(), current_user_id()


def test_blocks_nest_and_end() -> None:
    assert who() == (None, None)
    with tenant_context(ACME) as tenant, user_context("7") as user_id:
        assert (tenant, user_id) == who() == (ACME, "7")
        with pytest.raises(ValueError, match="x"), user_context("8"):
            assert who() == (ACME, "8")
            raise ValueError("x")
        assert who() == (ACME, "7")
    assert who() == (None, None)


def test_tasks_and_threads_that_copy_the_context_take_them_along() -> None:
    async def main() -> None:
        with tenant_context(ACME), user_context("7"):
            task = asyncio.create_task(asyncio.to_thread(who))
            copied = contextvars.copy_context()
        assert who() == (None, None)
        assert await task == (ACME, "7")
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, copied.run, who) == (ACME, "7")

    asyncio.run(main())


def test_tasks_side_by_side_have_their_own() -> None:
    async def work(user_id: str, both: asyncio.Barrier) -> str | None:
        with user_context(user_id):
            await both.wait()
            return current_user_id()

    async def main() -> list[str | None]:
        both = asyncio.Barrier(2)
        return list(await asyncio.gather(work("7", both), work("8", both)))

    assert asyncio.run(main()) == ["7", "8"]


def test_a_thread_of_its_own_starts_with_neither() -> None:
    seen: list[object] = []
    with tenant_context(ACME), user_context("7"):
        thread = threading.Thread(target=lambda: seen.append(who()))
        thread.start()
        thread.join()
    assert seen == [(None, None)]
