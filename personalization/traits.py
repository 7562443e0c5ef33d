"""What moves one person, in named traits: the model's estimate, its 80 % interval, and whether it says anything yet."""

from __future__ import annotations

from dataclasses import dataclass

from attune.rewards.base import Latent
from attune.style_features import poles_of
from personalization.charts import Whisk, whisk
from personalization.items import load
from training.serving import ServedVersion

RAIL = 1.5
"""A bar ends half as far out again as a strong taste."""


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait between two poles, against the community: −1 is a strong taste for the first, +1 for the second."""

    name: str
    estimate: float
    low: float
    high: float

    @property
    def poles(self) -> tuple[str, str]:
        return poles_of(self.name)

    @property
    def known(self) -> bool:
        """The interval excludes what everybody else likes."""
        return self.low > 0 or self.high < 0

    @property
    def leaning(self) -> str:
        """The pole that the estimate lies towards."""
        return self.poles[self.estimate > 0]

    @property
    def strong(self) -> bool:
        return abs(self.estimate) >= 0.5

    @property
    def whisk(self) -> Whisk:
        """Where the bar shows it."""
        return whisk(self.estimate, self.low, self.high, -RAIL, RAIL)


def traits_of(served: ServedVersion, latent: Latent) -> list[Trait]:
    """The person's traits, in the model's order; none where the model or its encoder knows no traits."""
    describe = getattr(load(served), "traits", None)
    rows: list[tuple[str, float, float, float]] = describe(latent) if describe else []
    return [Trait(name, round(estimate, 4), round(low, 4), round(high, 4)) for name, estimate, low, high in rows]
