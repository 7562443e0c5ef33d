"""`python -m bench.run [--quick] [NAME …]`: every benchmark in a process of its own, a table and `var/bench.json`.

A benchmark is a file in this folder with `run(quick: bool) -> dict`: names of figures to values, among them a named
baseline measured in the same run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE.parent / "var" / "bench.json"


def main() -> int:
    options = _options()
    if options.alone:
        figures = importlib.import_module(f"bench.{options.alone}").run(quick=options.quick)
        options.out.write_text(json.dumps(figures))
        return 0
    results = {"machine": _machine(), "quick": options.quick, "benchmarks": {}}
    for name in options.names or _names():
        print(f"{name} …", flush=True)
        results["benchmarks"][name] = figures = _in_a_process(name, options.quick)
        _print(figures)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(f"written to {RESULTS.relative_to(HERE.parent)}")
    return 1 if any("failed" in figures for figures in results["benchmarks"].values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="which benchmarks; all of them if none is named")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _names() -> list[str]:
    """The files here that define `run(`."""
    files = sorted(HERE.glob("*.py"))
    return [file.stem for file in files if file.stem != "run" and "\ndef run(" in file.read_text()]


def _in_a_process(name: str, quick: bool) -> dict[str, Any]:
    """The figures, or `{"failed": why}`: one benchmark that breaks must not take the others with it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        argv = [sys.executable, "-m", "bench.run", "--alone", name, "--out", str(out), *(["--quick"] if quick else [])]
        begin = time.monotonic()
        done = subprocess.run(argv, cwd=HERE.parent, capture_output=True, text=True, check=False)
        if done.returncode or not out.exists():
            return {"failed": done.stderr.strip()[-3000:] or f"ended with code {done.returncode}"}
        figures: dict[str, Any] = json.loads(out.read_text())
        return figures | {"took s": round(time.monotonic() - begin, 1)}


def _machine() -> dict[str, Any]:
    return {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}


def _print(figures: dict[str, Any], indent: str = "  ") -> None:
    width = max(len(name) for name in figures)
    for name, value in figures.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            _print(value, indent + "  ")
        else:
            shown = f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else value
            print(f"{indent}{name:<{width}}  {shown}")


if __name__ == "__main__":
    sys.exit(main())
