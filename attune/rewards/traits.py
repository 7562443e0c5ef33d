"""How named properties of style move one person's reward, against everybody else's: the bars of the profile page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attune.encoders import style_columns
from attune.rewards.base import Array, Latent
from attune.rewards.feature_map import Prepared
from attune.style_features import TRAITS, trait_weights

RIDGE = 0.05
EIGHTY_PERCENT = 1.2816
STRONG_TASTE = 1.645
"""A value of one is this many spreads of the community from its mean: one person in ten is further out, either way."""
SMALLEST_SPREAD = 0.1
"""In units of reward per standard deviation of the trait: tastes that differ less than this are not magnified."""


Trait = tuple[str, float, float, float]


@dataclass(frozen=True, slots=True)
class Traits:
    """slopes (T, K): by how much one standard deviation of each trait moves each coordinate of an item."""

    slopes: Array

    def of(self, latent: Latent, prior: Latent) -> list[Trait]:
        """(trait, estimate, low, high) with 80 % intervals, relative to the community; ±1 is a strong taste."""
        width = self.slopes.shape[1]
        away = self.slopes @ (latent.mean[:width] - prior.mean[:width])
        spread = _deviation(self.slopes, latent.cov[:width, :width])
        return trait_rows(away, spread, _deviation(self.slopes, prior.cov[:width, :width]))


def trait_rows(away: Array, doubt: Array, spread: Array) -> list[Trait]:
    """Rows for people, from (T,) each: how far somebody is from the community, in what doubt, and how far it spreads."""
    unit = STRONG_TASTE * np.maximum(spread, SMALLEST_SPREAD)
    low, high = (away - EIGHTY_PERCENT * doubt) / unit, (away + EIGHTY_PERCENT * doubt) / unit
    return [
        (name, float(estimate), float(least), float(most))
        for name, estimate, least, most in zip(TRAITS, away / unit, low, high, strict=False)
    ]


def fit_traits(data: Prepared, table: Array) -> Traits:
    """Ridge regression, within prompts, of items on the standardised traits, all at once so that each counts alone.

    table (N, K). Without style features in the encoder there are no traits.
    """
    columns = style_columns(data.encoder)
    if columns is None:
        return Traits(np.zeros((0, table.shape[1]), np.float32))
    style = _within(data.vectors[:, columns], data)
    traits = (style / (style.std(axis=0) + 0.02)) @ trait_weights().T
    traits = traits / (traits.std(axis=0) + 1e-6)
    gram = traits.T @ traits / len(traits) + RIDGE * np.eye(traits.shape[1])
    slopes = np.linalg.solve(gram, traits.T @ _within(table, data) / len(traits))
    return Traits(slopes.astype(np.float32))


def _within(values: Array, data: Prepared) -> Array:
    counts = np.bincount(data.groups)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, data.groups, values)
    return (values - (sums / counts[:, None])[data.groups]).astype(np.float32)


def _deviation(slopes: Array, cov: Array) -> Array:
    variance: Array = np.maximum(np.einsum("tk,kl,tl->t", slopes, cov, slopes), 0)
    return np.sqrt(variance)
