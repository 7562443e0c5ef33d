"""Pairs that a run makes before its first step, kept in its work folder, so that a run that goes on has the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from attune.errors import Cancelled
from attune.policies.examples import Example

KEPT = ("conversation", "chosen", "rejected", "annotator", "group", "weight", "target")
WAIT = 0.2
"""Seconds between two looks for the file that the first process writes."""


def made_once(file: Path, make: Callable[[], Iterable[Example]], asked_to_stop: Callable[[], bool]) -> list[Example]:
    """What the file holds, made first where there is none. Of several processes the first one makes it; should it fail, whoever started them
    ends the others. Raises ``Cancelled`` where a stop is asked for, and what ``make`` raises."""
    if int(os.environ.get("RANK", "0")):
        while not file.is_file():
            if asked_to_stop():
                raise Cancelled("The run was stopped while it made pairs to learn from.")
            time.sleep(WAIT)
    elif not file.is_file():
        _write(file, list(make()))
    return _read(file)


def _write(file: Path, pairs: Sequence[Example]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part")
    lines = ({name: getattr(each, name) for name in KEPT} for each in pairs)
    aside.write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
    aside.rename(file)


def _read(file: Path) -> list[Example]:
    found = []
    for line in file.read_bytes().splitlines():
        values: Mapping[str, Any] = orjson.loads(line)
        found.append(Example(**{**values, "conversation": tuple(values["conversation"])}, judged=False))
    return found
