"""Text features that a pooled reward may bend: a small network, learnt by torch, whose output is one feature more.

    r(x) = ⟨β, φ(x)⟩ + γ_x + ν f(φ(x)),    f(φ) = ⟨o, tanh(Wφ + c)⟩

All of it is learnt together by descent, with the penalties of ``attune.rewards.pooled`` on β and γ, and judgments in batches. Then f is
kept, and β, γ and ν are fitted again by penalised likelihood, as they are without a network. So everything that is linear
in mapped features stays as it was, and a network that has found nothing gets ν ≈ 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from attune.rewards.descent import Rates, descend
from attune.rewards.episodes import kept_deltas, rows_in_batches
from attune.rewards.feature_map import Network, Prepared
from attune.rewards.indexing import Comparisons
from attune.rewards.networks import dense, dense_weights, library, mean_loss
from attune.rewards.pooled import Penalties, fit_pooled

BATCH = 2_048
INNER = 1.0
"""Ridge on the network's weights, as a prior precision of each."""


def curved(
    data: Prepared,
    comparisons: Comparisons,
    penalties: Penalties,
    *,
    hidden: int,
    steps: int,
    rng: np.random.Generator,
) -> Prepared:
    """The data with one mapped feature more, learnt from these judgments. Begins at the linear fit and at f = 0.

    In each step a share of the responses goes without γ, so that f must stand alone for responses that nobody has judged.
    """
    begin = fit_pooled(comparisons, data.mapped, penalties)
    start = {
        "text": begin.text,
        "item": begin.item,
        **dense_weights(rng, "inner", data.mapped.shape[1], hidden, 0.5),
        "outer": (0.01 * rng.standard_normal(hidden)).astype(np.float32),
    }
    fixed = {"mapped": data.mapped, "position": np.array([begin.position], np.float32)}
    judged = len(comparisons)

    def loss(weights: Mapping[str, Any], batch: Mapping[str, Any]) -> Mapping[str, Any]:
        bent = library(weights["mapped"]).tanh(dense(weights["mapped"], weights, "inner")) @ weights["outer"]
        rewards = weights["mapped"] @ weights["text"] + batch["kept"][:, 0] * weights["item"] + bent
        margin = rewards[batch["a"]] - rewards[batch["b"]] + weights["position"] * batch["side"] - batch["lead"]
        fit = mean_loss(margin, batch["choice"], batch["weight"])
        ridge = penalties.text * (weights["text"] ** 2).sum() + penalties.item * (weights["item"] ** 2).sum()
        ridge = ridge + INNER * ((weights["inner.w"] ** 2).sum() + (weights["outer"] ** 2).sum())
        return {"loss": fit + 0.5 * ridge / judged}

    batches = (
        batch | {"kept": kept_deltas(len(data.ids), rng)} for batch in rows_in_batches(comparisons, BATCH, rng, steps)
    )
    found = descend(
        start, fixed, loss, batches, steps=steps, rates=Rates(decay=0.0), report=lambda _step, _figures: None
    )
    network = Network(found["inner.w"], found["inner.b"], found["outer"])
    network = replace(network, outer=network.outer / max(float(network(data.mapped).std()), 1e-6))
    feature_map = replace(data.feature_map, network=network)
    return replace(data, feature_map=feature_map, mapped=feature_map(data.vectors))
