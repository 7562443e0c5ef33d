"""Fitting on real judgments, against the pooled fit on the same data, and at ten times the rows."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from attune.data import Snapshot, read_judgments
from attune.encoders import encode_cached
from attune.evaluate import peak_rss_mb
from attune.rewards import create

DATA = Path(__file__).parents[2] / "shared" / "data" / "polis" / "train.jsonl.gz"
ENCODER = "style"
MODELS = ("bradley_terry", "hybrid", "mixture", "aspects", "pal_a", "pal_b", "gpm", "fewshot", "vpl")


def run(quick: bool) -> dict[str, Any]:
    """Seconds on the clock and of the processor; the baseline is the pooled model."""
    if not DATA.exists():
        return {"skipped": f"the real judgments are not there: {DATA}"}
    snapshot = read_judgments(DATA)
    if quick:
        snapshot = replace(snapshot, judgments=snapshot.judgments[:3000])
    figures = {"judgments": len(snapshot.judgments)}
    figures |= {f"{name}, {key}": value for name in MODELS for key, value in _fit(name, snapshot).items()}
    if not quick:
        tenfold = replace(
            snapshot,
            judgments=[
                replace(each, annotator=f"{each.annotator}-{n}") for n in range(10) for each in snapshot.judgments
            ],
        )
        figures |= {f"hybrid, ten times the rows, {key}": value for key, value in _fit("hybrid", tenfold).items()}
    return figures


def _fit(name: str, snapshot: Snapshot) -> dict[str, Any]:
    features = encode_cached(ENCODER, {key: (each.prompt, each.text) for key, each in snapshot.responses.items()})
    begin, of_processor = time.perf_counter(), time.process_time()
    create(name).fit(snapshot, features, encoder=ENCODER)
    return {
        "s": round(time.perf_counter() - begin, 1),
        "processor s": round(time.process_time() - of_processor, 1),
        "peak MB": round(peak_rss_mb()),
    }
