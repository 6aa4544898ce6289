"""Wall time and memory."""

import os
import statistics
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Self

import psutil

# Reading a large process's maps takes tens of milliseconds, which the process itself is held up.
_EVERY_SECONDS = 1.0
_SERVER = "postgres"


def seconds(work: Callable[[], object], clock: Callable[[], float] = monotonic) -> float:
    """How long ``work`` takes by ``clock``."""
    started = clock()
    work()
    return clock() - started


def alternating(
    works: Mapping[str, Callable[[], object]],
    repetitions: int,
    clock: Callable[[], float] = monotonic,
) -> dict[str, float]:
    """The median seconds of each of ``works``, which take turns, each round in another order,
    after a round that is not measured."""
    names = list(works)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        works[name]()
    for round_ in range(repetitions):
        first = round_ % len(names)
        for name in [*names[first:], *names[:first]]:
            taken[name].append(seconds(works[name], clock))
    return {name: statistics.median(times) for name, times in taken.items()}


def run(
    command: Sequence[str] | str,
    *,
    stdout: str = os.devnull,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> None:
    """Run a command (a string: by bash, in which every part of a pipeline must succeed).

    Raises:
        RuntimeError: it failed; the message ends with its last complaint.
        subprocess.TimeoutExpired: it took longer than ``timeout`` and was killed.
    """
    arguments = ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else command
    with open(stdout, "wb") as output:  # noqa: PTH123 - os.devnull is no Path of ours
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            timeout=timeout,
            check=False,
        )
    if done.returncode:
        lines = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        raise RuntimeError(f"{arguments[-1]!r}: {lines[-1] if lines else done.returncode}")


@dataclass
class PeakMemory:
    """The most memory a process and its children use while the block runs, servers left out.

    ``tree`` is that of all together in bytes, by proportional set size: pages that processes
    share count once. ``by_program`` is the largest resident set of a single process, by name, as
    the kernel noted it (``VmHWM``); what a process adds in its last second escapes.
    """

    pid: int = field(default_factory=os.getpid)
    tree: int = 0
    by_program: dict[str, int] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread:
            self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process(self.pid)
        while True:
            try:
                self._sample([process, *process.children(recursive=True)])
            except psutil.NoSuchProcess:
                return
            if self._done.wait(_EVERY_SECONDS):
                return

    def _sample(self, processes: Sequence[psutil.Process]) -> None:
        total = 0
        for process in processes:
            try:
                name = process.name()
                if name == _SERVER:
                    continue
                total += process.memory_full_info().pss
                peak = high_water(process.pid)
            except (psutil.Error, OSError):
                continue  # it has ended
            self.by_program[name] = max(peak, self.by_program.get(name, 0))
        self.tree = max(self.tree, total)


def high_water(pid: int) -> int:
    """The largest resident set a process ever had, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
