"""Datasets out: rows a second in each type, from judgments of ordinary length; whether the same data are the same bytes. The
baseline is reading them from the cursor. A second of the processor is one of this process's, which other work does not disturb."""

from __future__ import annotations

import hashlib
import io
import time
from typing import Any

from bench.site import database

WORDS = ["the", "pan", "boil", "water", "ten", "minutes", "slowly", "and", "then", "taste", "it", "with", "salt"]


class _Digest(io.RawIOBase):
    """Takes all and keeps nothing but its sha256."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return len(data)


def run(quick: bool) -> dict[str, Any]:
    """Figures of datasets."""
    count = 5_000 if quick else 60_000
    with database():
        from annotator.exports.dataset_options import DatasetOptions
        from annotator.exports.dataset_said import JUDGED, said_of
        from annotator.exports.datasets import write_dataset

        project = _seed(count)
        began = time.perf_counter()
        read = sum(1 for _ in said_of(project, JUDGED, DatasetOptions()))
        base = time.perf_counter() - began
        figures: dict[str, Any] = {"baseline": "the cursor alone", "baseline rows/s": round(read / base)}
        for form, kind in (
            ("preference", "jsonl"),
            ("preference", "csv"),
            ("preference", "parquet"),
            ("kto", "jsonl"),
            ("contexts", "jsonl"),
        ):
            options = DatasetOptions(form=form, type=kind)  # type: ignore[arg-type]
            digests = []
            for _ in range(2):
                sink = _Digest()
                began, worked = time.perf_counter(), time.process_time()
                tally = write_dataset(project, options, sink)  # type: ignore[arg-type]
                took, work = time.perf_counter() - began, time.process_time() - worked
                digests.append(sink.sha256.hexdigest())
            judged = tally.rows if form != "contexts" else count
            figures[f"{form} {kind}, rows/s"] = round(judged / took)
            figures[f"{form} {kind}, rows for a second of the processor"] = round(judged / work)
            figures[f"{form} {kind}, of the baseline"] = round(judged / took / (read / base), 2)
            figures[f"{form} {kind}, the same bytes twice"] = digests[0] == digests[1]
        return figures


def _seed(count: int) -> Any:
    import orjson

    from annotator.imports.reporting import ImportOptions
    from annotator.imports.running import run_import
    from annotator.models import Project

    project = Project.objects.create(slug="bench", name="Bench")
    lines = b"".join(
        orjson.dumps(
            {
                "annotator": f"a{n // 2000}",
                "prompt": f"How do I boil egg {n % 2000}?",
                "response_a": f"{n % 2000} " + " ".join(WORDS * 6),
                "response_b": " ".join(WORDS * 9) + f" {n % 2000}",
                "preference": "ab"[n % 3 == 0],
                "rationale": "It says more." if n % 5 == 0 else "",
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for n in range(count)
    )
    report = run_import(io.BytesIO(lines), project=project, options=ImportOptions(skip_bad=False))
    if not report.written:
        raise RuntimeError(str(report.problems[:3]))
    return project
