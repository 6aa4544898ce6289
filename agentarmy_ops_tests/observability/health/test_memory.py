from uuid import uuid4

import pytest

from agentarmy_ops.observability.health.changes import MOST_KNOWN, Seen
from agentarmy_ops.observability.health.memory import Memory, decode
from agentarmy_ops.observability.health.problem import Check, Key


def test_what_is_remembered_is_what_was_known() -> None:
    memory = Memory(
        1_800_000_000,
        {
            Key(Check.REDIS, "platform"): Seen(5, False),
            Key(Check.STALE_BACKUP, str(uuid4())): Seen(6, True),
        },
        "acme",
    )
    assert decode(memory.encode()) == memory
    assert decode(Memory().encode()) == Memory()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "acme",
        "health-1:",
        "health-1:ä",
        "health-1:0000",
        Memory(5).encode()[:-2],
        Memory(5).encode().removeprefix("health-1:"),
        Memory(5).encode().replace("health-1", "health-2"),
        Memory(5, {Key(Check.REDIS, "a"): Seen(1, True)}).encode()[:-20],
    ],
)
def test_what_is_not_ours_or_not_whole_is_nothing(text: str | None) -> None:
    assert decode(text) is None


def test_the_most_that_is_known_is_a_short_text() -> None:
    """Each tick of a sensor stores it again."""
    seen = {
        Key(Check.STALE_BACKUP, str(uuid4())): Seen(1_800_000_000 + number // 100, True)
        for number in range(MOST_KNOWN)
    }
    memory = Memory(1_800_000_000, seen)
    assert len(memory.encode()) < 150_000
    assert decode(memory.encode()) == memory
