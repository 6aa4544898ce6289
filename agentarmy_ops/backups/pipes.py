"""Pipes between threads and programs, wide enough that neither side waits for each piece."""

import fcntl
import io
import os
from contextlib import suppress

_PIPE_BYTES = 1 << 20


def widen(pipe: io.FileIO) -> None:
    """Let the writer run ahead by more than the 64 KB a pipe holds, where Linux allows it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def open_pipe() -> tuple[io.BufferedReader, io.BufferedWriter]:
    """Both ends of a pipe within this process: what is written to the second is read from the
    first, and whoever closes an end ends the other side's work, too."""
    reading, writing = os.pipe()
    outlet, inlet = io.FileIO(reading, "rb"), io.FileIO(writing, "wb")
    widen(inlet)
    return io.BufferedReader(outlet, _PIPE_BYTES), io.BufferedWriter(inlet, _PIPE_BYTES)
