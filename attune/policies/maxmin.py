"""MaxMin: more weight to the group that is served worst, so that no group pays for being small.

Exponentiated gradient ascent on q in min_π max_q Σ_g q_g E[loss | g] (Sagawa et al. 2020, algorithm 1; MaxMin-RLHF, Chakraborty et al.
2024), on batches that are drawn from all groups together. Weights are G·q, so that their mean over groups is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from attune.policies.batches import Row


def shares_of(rows: Sequence[Row]) -> Tensor:
    """Each group's share p_g of the judgments, (G,); 0 for a group without any."""
    found = torch.zeros(max((row.example.group for row in rows), default=0) + 1)
    for row in rows:
        found[row.example.group] += row.example.weight
    return found / found.sum() if rows else found + 1


def first_weights(shares: Tensor) -> Tensor:
    """The same for every group that has judgments, (G,)."""
    present = (shares > 0).float()
    return present * len(shares) / present.sum()


def grown(weights: Tensor, totals: Tensor, counts: Tensor, step: float) -> Tensor:
    """Weights after a batch, (G,), from each group's sum of losses and number of judged pairs in it.

    A group that a batch has none of is taken to be served as the others are on the whole: else small groups, which are missing
    most often, would lose weight by it.
    """
    seen = counts > 0
    if not seen.any():  # of pairs that nobody judged there may be a whole batch
        return weights
    losses = totals / counts.clamp(min=1)
    usual = (weights * losses)[seen].sum() / weights[seen].sum()
    found = weights * torch.exp(step * torch.where(seen, losses, usual))
    return found * len(found) / found.sum()


def of_pairs(weights: Tensor, shares: Tensor, group: Tensor) -> Tensor:
    """What each pair of a batch weighs, (B,): q_g / p_g, so that a group counts as its weight says, whatever its size."""
    return (weights / (len(weights) * shares))[group]
