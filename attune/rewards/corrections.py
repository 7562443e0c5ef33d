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

HAIR = 1e-3
WORTH = 25
"""Judgments that one statement counts as."""


@runtime_checkable
class HasTraitItems(Protocol):
    """A model that knows how traits move its items."""

    def trait_items(self) -> tuple[Array, Array]:
        """Items half a standard deviation up and down each trait and alike in all else, (T, K) each; (0, K) for none."""


def as_comparisons(model: RewardModel, stated: Mapping[str, float]) -> Sequence[Comparison]:
    """Made-up judgments for statements by trait; none for a model that knows no traits."""
    if not isinstance(model, HasTraitItems):
        return []
    found: list[Comparison] = []
    for name, up, down in zip(TRAITS, *model.trait_items(), strict=False):
        if name in stated:
            found += _made_up(model, up, down, stated[name])
    return found


def _made_up(model: RewardModel, up: Array, down: Array, value: float) -> list[Comparison]:
    """``WORTH`` judgments, each a hair apart from the others, as models may count equal ones once."""
    mean, variance = model.margin(model.prior(), up[None], down[None])
    spread = max(float(np.sqrt(variance[0])), SMALLEST_SPREAD)
    goal = float(mean[0]) + value * STRONG_TASTE * spread
    wins = round(WORTH * float(sigmoid(np.float64(goal))))
    half = (up - down) / 2
    nudges = [np.asarray(HAIR * number * half, np.float32) for number in range(WORTH)]
    return [Comparison(up + nudge, down - nudge, "a" if number < wins else "b") for number, nudge in enumerate(nudges)]
