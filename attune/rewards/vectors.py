"""Item vectors to begin from, and to go on learning: q_x = Vφ(x) + δ_x beside the pooled reward b_x.

Personal taste is carried by vectors of the responses themselves; text alone carries little (docs/experiments.md). The
start is the linear fit of ``attune.rewards.factors``; during descent a share of the responses loses its δ at every step,
so that V learns to stand alone for responses that nobody has judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attune.rewards.base import Array
from attune.rewards.factors import FactorConfig, FactorTrainer
from attune.rewards.item_model import Task
from attune.rewards.items import ItemTable
from attune.rewards.networks import library

START_ROUNDS = 8
PRECISION = 2.0


def start_parameters(task: Task, rank: int) -> dict[str, Array]:
    """``text`` (F, k) and ``delta`` (N, k) to begin from: the linear model's, scaled so that tastes have unit spread."""
    trainer = FactorTrainer(task.data.mapped, task.pooled, FactorConfig(rank, PRECISION))
    fit = trainer.run(task.comparisons, START_ROUNDS, lambda _step, _loss: None)
    return {"text": fit.text_vectors, "delta": fit.vectors - task.data.mapped @ fit.text_vectors}


def constants(task: Task) -> dict[str, Array]:
    """What goes along: mapped features (N, F), pooled rewards (N,), and the pull of the left side (1,)."""
    return {
        "mapped": task.data.mapped,
        "pooled": task.pooled.rewards(task.data.mapped),
        "position": np.array([task.pooled.position], np.float32),
    }


def vectors(weights: Mapping[str, Any], kept: Any) -> Any:
    """q (N, k)."""
    return weights["mapped"] @ weights["text"] + kept * weights["delta"]


def rows(weights: Mapping[str, Any], kept: Any) -> Any:
    """Items (b, q), (N, 1 + k)."""
    found = vectors(weights, kept)
    return library(found).concatenate([weights["pooled"][:, None], found], axis=1)


def spread(task: Task, start: Mapping[str, Array]) -> Array:
    """The scale of an item's coordinates (1 + k,), for networks to divide by: the rewards', and one for all of q."""
    q = task.data.mapped @ start["text"] + start["delta"]
    scales = [float(task.pooled.rewards(task.data.mapped).std()), *[float(q.std())] * q.shape[1]]
    return np.maximum(np.array(scales, np.float32), 1e-3)


def delta_penalty(weights: Mapping[str, Any], judgments: int) -> Any:
    """½ λ Σ ‖δ‖² for a loss that is a mean over judgments."""
    return 0.5 * PRECISION * (weights["delta"] ** 2).sum() / judgments


def item_table(task: Task, table: Array, text: Array) -> ItemTable:
    """Items (b, …): ``table`` (N, K) and ``text`` (F, K) without their first column, the pooled reward."""
    return ItemTable(
        ids=task.data.ids,
        table=np.concatenate([task.pooled.rewards(task.data.mapped)[:, None], table], axis=1).astype(np.float32),
        feature_map=task.data.feature_map,
        text_weights=np.concatenate([task.pooled.text[:, None], text], axis=1).astype(np.float32),
    )
