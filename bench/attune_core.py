"""The core in numbers: adapting, scoring and choosing, each against the plainest numpy that does the same sums."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.rewards import create
from attune.rewards.base import Comparison
from attune.rewards.hybrid import Hybrid
from attune.select import POLICIES, choose, gain, margins_of_pairs
from attune.simulate import load_starter, simulate

REPEATS = 21


def run(quick: bool) -> dict[str, Any]:
    """Milliseconds, medians of 21. The baseline of each is named beside it."""
    with threadpool_limits(limits=1):
        model, seconds = fitted_to_starter()
        return {
            "fit the starter project, 4,000 judgments, s": round(seconds, 2),
            **_adapt(model),
            **_score(model, 20_000 if quick else 1_000_000),
            **_choose(model, 10_000 if quick else 100_000),
            **_choose_among_few(model, 10_000 if quick else 100_000),
        }


def fitted_to_starter() -> tuple[Hybrid, float]:
    """The starter project's hybrid, and the seconds that its fit took."""
    world = simulate(load_starter(), seed=0)
    features = {key: np.array(style, np.float32) for key, style in world.styles.items()}
    model = create("hybrid")
    assert isinstance(model, Hybrid)
    report = model.fit(Snapshot(world.responses, world.judgments), features, encoder="true styles")
    return model, report.seconds


def _adapt(model: Hybrid) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    table = model.parts.table
    context = [
        Comparison(table[a], table[b], "a" if rng.random() < 0.5 else "b")
        for a, b in rng.integers(0, len(table), (1000, 2))
    ]
    rows = np.stack([each.item_a - each.item_b for each in context]).astype(np.float64)
    before = model.adapt(context[:-1])
    return {
        "adapt to 16 judgments, ms": _median(lambda: model.adapt(context[:16])),
        "adapt to 1,000 judgments, ms": _median(lambda: model.adapt(context)),
        "adapt to 1,000 judgments from the last latent, ms": _median(lambda: model.adapt(context, start=before)),
        "baseline: one least-squares fit of the 1,000 rows, ms": _median(
            lambda: np.linalg.lstsq(rows, np.ones(1000), rcond=None)
        ),
    }


def _score(model: Hybrid, count: int) -> dict[str, Any]:
    table = model.parts.table
    items = table[np.random.default_rng(0).integers(0, len(table), count)]
    latent = model.prior()
    known = list(model.parts.ids)[:64]
    return {
        "64 known responses, items and rewards, ms": _median(lambda: model.score(latent, model.items(known))),
        f"{count:,} rewards with their doubt, ms": _median(lambda: model.score(latent, items)),
        f"baseline: {count:,} dot products, ms": _median(lambda: items @ latent.mean[: items.shape[1]]),
    }


def _choose(model: Hybrid, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((count, model.parts.table.shape[1])).astype(np.float32) for _ in range(2))
    latent = model.prior()
    return {
        f"choose among {count:,} pairs by {policy}, ms": _median(
            lambda policy=policy: choose(latent, a, b, policy=policy, rng=rng)  # type: ignore[misc]
        )
        for policy in POLICIES
    }


def _choose_among_few(model: Hybrid, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    table, latent = model.parts.table, model.prior()
    first, second = rng.integers(0, len(table), (2, count))
    return {
        f"information of {count:,} pairs of {len(table):,} responses, ms": _median(
            lambda: gain(*margins_of_pairs(latent, table, first, second))
        )
    }


def _median(call: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        took.append(1000 * (time.perf_counter() - started))
    return round(float(np.median(took)), 3)
