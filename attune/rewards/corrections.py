"""What a person says of their own taste, as evidence for any reward model.

"I like it more direct than you think" is a statement about a trait on the scale of the profile page: 0 is what everybody
likes, ±1 a strong taste, further out than nine in ten. It counts as ``WORTH`` judgments of a made-up pair whose items lie
apart along the trait and nowhere else, won as often as somebody of that taste would let it win. So every model takes it
in as it takes judgments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from attune.rewards.base import Array, Comparison, RewardModel
from attune.rewards.networks import sigmoid
from attune.rewards.traits import SMALLEST_SPREAD, STRONG_TASTE
from attune.style_features import TRAITS

WORTH = 25
"""Judgments that one statement counts as."""


@runtime_checkable
class HasTraitSlopes(Protocol):
    """A model that knows how traits move its items."""

    @property
    def trait_slopes(self) -> Array:
        """By how much one standard deviation of each trait moves each coordinate of an item, (T, K); (0, K) for none."""


def as_comparisons(model: RewardModel, stated: Mapping[str, float]) -> Sequence[Comparison]:
    """Made-up judgments for statements by trait; none for a model that knows no traits."""
    slopes = model.trait_slopes if isinstance(model, HasTraitSlopes) else np.zeros((0, 0), np.float32)
    found: list[Comparison] = []
    for slope, name in zip(slopes, TRAITS, strict=False):
        if name in stated:
            found += _made_up(model, slope, stated[name])
    return found


def _made_up(model: RewardModel, slope: Array, value: float) -> list[Comparison]:
    up, down = slope / 2, -slope / 2
    mean, variance = model.margin(model.prior(), up[None], down[None])
    spread = max(float(np.sqrt(variance[0])), SMALLEST_SPREAD)
    goal = float(mean[0]) + value * STRONG_TASTE * spread
    wins = round(WORTH * float(sigmoid(np.float64(goal))))
    return [Comparison(up, down, "a" if number < wins else "b") for number in range(WORTH)]
