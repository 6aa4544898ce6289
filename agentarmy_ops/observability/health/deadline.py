"""Ask several things at once, and wait for none of them longer than for the others."""

import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Generic, TypeVar

from agentarmy_ops.errors import OpsError

_K = TypeVar("_K")
_T = TypeVar("_T")


class _Asked(Generic[_T]):
    """One question under way in a thread of its own."""

    def __init__(self, question: Callable[[], _T]) -> None:
        self._question = question
        self._answer: list[_T] = []
        self._error: Exception | None = None
        # A daemon: a process that ends does not wait for a server that hangs.
        self.thread = threading.Thread(target=self._ask, name="health", daemon=True)
        self.thread.start()

    def _ask(self) -> None:
        try:
            self._answer.append(self._question())
        except Exception as error:  # noqa: BLE001 - raised where the answer is wanted
            self._error = error

    def result(self, seconds: float) -> _T | OpsError:
        self.thread.join(max(0.0, seconds))
        if self.thread.is_alive():
            return OpsError("no answer in time")
        if isinstance(self._error, OpsError):
            return self._error
        if self._error is not None:
            raise self._error
        return self._answer[0]


def answers(questions: Mapping[_K, Callable[[], _T]], seconds: float) -> dict[_K, _T | OpsError]:
    """The answer to each question, or the :class:`OpsError` that it raised. Who has not answered
    after ``seconds`` is left behind, and has raised one that says so.

    Raises:
        Exception: what a question raised that is no :class:`OpsError`.
    """
    deadline = monotonic() + seconds
    asked = {key: _Asked(question) for key, question in questions.items()}
    return {key: each.result(deadline - monotonic()) for key, each in asked.items()}
