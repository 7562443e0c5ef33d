"""What a person says of their own taste, as evidence for any reward model.

"I like it more direct than you think" is a statement about a trait on the scale of the profile page: 0 is what everybody
likes, ±1 a strong taste, further out than nine in ten. It counts as so many judgments of a made-up pair whose items lie
apart along the trait and nowhere else, won as often as somebody of that taste would let it win. So every model takes it
in as it takes judgments. A correction is made with the estimate in view and counts as ``WORTH``; an answer to a passing
question as ``ASKED_WORTH``, which loses nothing even where self-reports are half a strong taste off (``bench/attune_questions.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from attune.rewards.base import Array, Comparison, Latent, RewardModel
from attune.rewards.networks import sigmoid
from attune.rewards.traits import SMALLEST_SPREAD, STRONG_TASTE
from attune.style_features import TRAITS

HAIR = 1e-3
WORTH = 25
"""Judgments that a correction counts as."""
ASKED_WORTH = 3


class Word(NamedTuple):
    """A statement about one trait, and how many judgments it counts as."""

    value: float
    worth: float = WORTH


@runtime_checkable
class HasTraitItems(Protocol):
    """A model that knows how traits move its items."""

    def trait_items(self) -> tuple[Array, Array]:
        """Items half a standard deviation up and down each trait and alike in all else, (T, K) each; (0, K) for none."""


def as_comparisons(model: RewardModel, stated: Mapping[str, Word]) -> Sequence[Comparison]:
    """Made-up judgments for statements by trait; none for a model that knows no traits."""
    if not isinstance(model, HasTraitItems):
        return []
    found: list[Comparison] = []
    for name, up, down in zip(TRAITS, *model.trait_items(), strict=False):
        if name in stated:
            found += _made_up(model, up, down, stated[name])
    return found


def trait_margins(model: RewardModel, latent: Latent) -> tuple[Array, Array]:
    """Mean and variance, (T,) each, of the margin between items a standard deviation apart along each trait; T is 0 for a
    model that knows no traits."""
    up, down = model.trait_items() if isinstance(model, HasTraitItems) else (_NOTHING, _NOTHING)
    return model.margin(latent, up, down) if len(up) else (_NOTHING, _NOTHING)


_NOTHING = np.zeros(0, np.float32)


def _made_up(model: RewardModel, up: Array, down: Array, word: Word) -> list[Comparison]:
    """``WORTH`` judgments that count as many as the word is worth, each a hair apart from the others, as models may count
    equal ones once."""
    mean, variance = model.margin(model.prior(), up[None], down[None])
    spread = max(float(np.sqrt(variance[0])), SMALLEST_SPREAD)
    goal = float(mean[0]) + word.value * STRONG_TASTE * spread
    wins = round(WORTH * float(sigmoid(np.float64(goal))))
    half = (up - down) / 2
    nudges = [np.asarray(HAIR * number * half, np.float32) for number in range(WORTH)]
    weight = word.worth / WORTH
    return [
        Comparison(up + nudge, down - nudge, "a" if number < wins else "b", weight=weight)
        for number, nudge in enumerate(nudges)
    ]
