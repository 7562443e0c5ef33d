"""Directional preference alignment (Wang et al. 2024, DPA): a taste as a direction on the unit sphere of aspects.

r_v(x) = ⟨v, g(x)⟩ with ‖v‖ = 1, where g(x) ∈ R^A are a response's aspects, each with mean 0 and spread 1 over a reference set. Turning v towards
one aspect trades it against the others; its length says nothing. Numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.errors import BadData
from attune.style_features import TRAITS, style_vector, trait_weights

Array = NDArray[np.float32]
OVERALL = "overall"
ASPECTS: tuple[str, ...] = (OVERALL, *TRAITS)
"""The reward, then the readable traits of style, each towards its second pole."""
LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What style is measured by: mean and spread of each feature over a reference set, (F,), and of each trait, (T,)."""

    mean: Array
    spread: Array
    trait_mean: Array
    trait_spread: Array

    @classmethod
    def of(cls, texts: Sequence[str]) -> Yardstick:
        """Raises ``BadData`` for fewer than two texts."""
        if len(texts) < 2:
            raise BadData(f"{len(texts)} texts can't be a yardstick; expected at least 2")
        styles = np.stack([style_vector(each) for each in texts])
        mean, spread = styles.mean(axis=0), styles.std(axis=0)
        spread = np.where(spread < LEAST_SPREAD, 1.0, spread).astype(np.float32)
        traits = ((styles - mean) / spread) @ trait_weights().T
        wide = traits.std(axis=0)
        return cls(mean, spread, traits.mean(axis=0), np.where(wide < LEAST_SPREAD, 1.0, wide).astype(np.float32))

    def traits(self, texts: Sequence[str]) -> Array:
        """Traits of N texts in spreads of the reference set, (N, T)."""
        styles = np.stack([style_vector(each) for each in texts])
        traits = ((styles - self.mean) / self.spread) @ trait_weights().T
        return ((traits - self.trait_mean) / self.trait_spread).astype(np.float32)


def unit(weights: Sequence[float]) -> Array:
    """The direction of ``weights`` (A,) on the unit sphere. Raises ``BadData`` where it has none or is not finite."""
    found = np.asarray(weights, np.float64)
    length = float(np.linalg.norm(found))
    if not np.isfinite(length) or length < 1e-9:
        raise BadData("all weights are 0, which is no direction; expected at least one that is not")
    return (found / length).astype(np.float32)
