"""The last resort when the supervisor is killed: end every process that carries its mark.

The supervisor marks its children in their environment and holds one end of a pipe; this program reads the other end.
The pipe closes when the supervisor is gone, however it went. Descendants inherit the mark, so grandchildren in
sessions of their own (a training process, a pool worker) are found too.
"""

import os
import signal
import sys
from collections.abc import Iterator

import psutil

MARK = "ATTUNE_SUPERVISOR"
CHILD_MARK = "ATTUNE_CHILD"
GRACE = 2.0  # seconds between asking and killing


def marked(token: str, child: str | None = None) -> Iterator[psutil.Process]:
    """Every live process that carries the supervisor's token (and, if given, descends from that child)."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
        except psutil.Error:  # gone meanwhile, or somebody else's
            continue
        if environment.get(MARK) == token and child in (None, environment.get(CHILD_MARK)):
            yield process


def end_marked(token: str, child: str | None = None, *, grace: float = 0.0) -> int:
    """End those processes: with SIGTERM first when there is a `grace` in seconds, then with SIGKILL.

    Returns how many there were.
    """
    found = list(marked(token, child))
    if grace:
        _signal_all(found, signal.SIGTERM)
        psutil.wait_procs(found, timeout=grace)
    while survivors := list(marked(token, child)):
        _signal_all(survivors, signal.SIGKILL)
        psutil.wait_procs(survivors, timeout=1.0)
    return len(found)


def _signal_all(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


if __name__ == "__main__":
    sys.stdin.read()  # ends with the supervisor
    end_marked(sys.argv[1], grace=GRACE)
