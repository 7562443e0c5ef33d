"""Many generated requests for every operation of the API (`tests/attack/test_schema.py`); any error of the server fails it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def run(*, quick: bool) -> dict[str, Any]:
    """Requests, and operations that failed."""
    examples = 20 if quick else 300
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout=0", "tests/attack/test_schema.py"],
        cwd=ROOT,
        env=os.environ | {"ATTUNE_SCHEMA_EXAMPLES": str(examples)},
        capture_output=True,
        text=True,
        check=False,
    )
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    seconds = time.monotonic() - begin
    figures: dict[str, Any] = {
        "operations": sum(counts.values()),
        "requests at most for each": examples,
        "operations with an error of the server": counts.get("failed", 0) + counts.get("error", 0),
        "seconds": round(seconds, 1),
    }
    return figures if not done.returncode else figures | {"failed": done.stdout[-3000:]}
