import threading

import pytest

from agentarmy_ops.errors import OpsError, StoreError
from agentarmy_ops.observability.health.deadline import answers


def test_all_are_asked_at_once_and_each_answers_for_itself() -> None:
    together = threading.Barrier(2)
    refused = StoreError("no")

    def refuse() -> int:
        raise refused

    def answer() -> int:
        return together.wait(30)

    found = answers({"a": answer, "b": answer, "c": refuse}, 30)
    assert {found["a"], found["b"]} == {0, 1}
    assert found["c"] is refused


def test_who_is_silent_is_left_behind() -> None:
    hang = threading.Event()
    found = answers({"silent": lambda: hang.wait(5), "quick": lambda: True}, 0.2)
    hang.set()
    assert found["quick"] is True
    assert isinstance(found["silent"], OpsError)
    assert str(found["silent"]) == "no answer in time"


def test_a_bug_is_no_finding() -> None:
    with pytest.raises(ZeroDivisionError):
        answers({"bug": lambda: 1 / 0}, 30)
