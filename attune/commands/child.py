"""What the commands share that a worker starts as a process of its own: lines of progress, stopping, an orphan's end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

import orjson

from attune.errors import AttuneError, Cancelled

STOPPED = 3
"""The exit code after a stop that was asked for."""
REFUSED = 2
"""The exit code for a reason that is fit to show; it is the last line of progress, under ``error``."""


class Lines:
    """Writes one JSON line at a time, whole or not at all."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def __call__(self, line: Mapping[str, object]) -> None:
        self.file.write(orjson.dumps(dict(line)).decode() + "\n")
        self.file.flush()


@contextmanager
def sink(path: Path | None) -> Iterator[Lines]:
    """Where progress goes: appended to a file, or standard error."""
    if path is None:
        yield Lines(sys.stderr)
        return
    with path.open("a") as file:
        yield Lines(file)


@contextmanager
def ends_in_a_line(lines: Lines) -> Iterator[None]:
    """Whatever ends the work is the last line, and the exit code says which it was."""
    try:
        yield
    except Cancelled as stopped:
        lines({"stopped": str(stopped)})
        sys.exit(STOPPED)
    except AttuneError as error:
        lines({"error": str(error)})
        sys.exit(REFUSED)


def asked_to_stop(parent: int | None) -> Callable[[], bool]:
    """By SIGTERM, by Ctrl-C, or because the worker that watched over it is gone."""
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, ask)
    return lambda: asked.is_set() or (parent is not None and _gone(parent))


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
