"""What a process under test writes to its log."""

import subprocess
import threading

_LONGEST_WAIT = 90  # seconds


def line_with(process: "subprocess.Popen[str]", text: str) -> str:
    """The first line of stderr that holds ``text``. Who never writes it is killed."""
    assert process.stderr
    timer = threading.Timer(_LONGEST_WAIT, process.kill)
    timer.start()
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            timer.cancel()
            # Nobody reads the rest of what it writes, and a full pipe would hold it.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return line
    raise AssertionError("".join(lines))
