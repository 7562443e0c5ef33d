"""What somebody's judgments tell of their taste, as ``attune.rewards.tastes`` takes it in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attune.rewards.base import Array
from attune.rewards.linear import Floats


@dataclass(frozen=True, slots=True)
class Evidence:
    """E rows to infer from. along (E, 1 + R): a and y, of one response less the other's or against the threshold. outcome in
    −1 … 1, 0 for a tie; first and second: the numbers of the responses, 0 for none.
    doubt: variance of the margin for not knowing the responses better."""

    along: Floats
    outcome: Floats
    side: Floats
    weight: Floats
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    doubt: Floats

    def __len__(self) -> int:
        return len(self.outcome)


@dataclass(frozen=True, slots=True)
class Stand:
    """What E rows say of somebody who takes the community's stand, of sign 1, or the contrary one, −1: fixed (E,), their margins at
    z = 0; classes (J,) and pooled, the log-likelihood of each class and of having no taste of one's own. mode (Z,): where to begin
    looking for the mode, the prior's if None."""

    sign: int
    fixed: Floats
    classes: Array
    pooled: float
    mode: Floats | None = None

    def followed_by(self, other: Stand) -> Stand:
        """These rows, then the other's."""
        fixed = np.concatenate([self.fixed, other.fixed])
        return Stand(self.sign, fixed, self.classes + other.classes, self.pooled + other.pooled, self.mode)


@dataclass(frozen=True, slots=True)
class Told:
    """E rows of evidence as a ``Reader`` takes them in; those of more judgments are those of some and of the others.

    along (E, Z): margins by the reader's coordinates z of a taste. outcome, weight, first, second: as in ``Evidence``.
    """

    along: Floats
    outcome: Floats
    weight: Floats
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    usual: Stand
    contrary: Stand

    def __len__(self) -> int:
        return len(self.outcome)

    def stand(self, contrary: bool) -> Stand:
        """The one or the other."""
        return self.contrary if contrary else self.usual

    def followed_by(self, other: Told) -> Told:
        """These rows, then the other's."""
        return Told(
            np.concatenate([self.along, other.along]),
            np.concatenate([self.outcome, other.outcome]),
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.first, other.first]),
            np.concatenate([self.second, other.second]),
            self.usual.followed_by(other.usual),
            self.contrary.followed_by(other.contrary),
        )

    def beginning_at(self, usual: Floats, contrary: Floats | None) -> Told:
        """The same with the modes that were found; None where none was looked for."""
        contrary = self.contrary.mode if contrary is None else contrary
        return replace(self, usual=replace(self.usual, mode=usual), contrary=replace(self.contrary, mode=contrary))
