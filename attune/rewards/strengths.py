"""What a preference strength is evidence of: how far two rewards lie apart, and not only which is higher.

Read as a *weight*, "slightly better" says what "much better" says in a lower voice: the margin m is still drawn upwards without end. Read as
a *grade* it counts as w answers of which a share t chose the response,

    w (t m − log(1 + eᵐ)),

which is highest at m = logit t: a slight preference holds two rewards together, a strong one keeps them apart, and a judgment tells more than
one bit. These are the soft labels that policies know as ``soft`` (Furuta et al. 2024, eq. 8). They suit what is personal; where people
disagree a pooled reward is the better for weights. People use strengths as they please, so whether grades are better is asked of held-out
annotators (``attune.rewards.tryout``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.rewards.base import Array, Comparison

STRENGTH_WEIGHTS: Mapping[int | None, float] = {None: 1.0, 1: 0.75, 2: 1.0, 3: 1.25}
"""How much a judgment counts by its strength: a slight preference is reversed more often on a second look."""
GRADES: Mapping[int | None, float] = {1: 0.65, 2: 0.9, 3: 0.99}
"""t of each strength. On simulated annotators shares about .65 to .8, .9 and .99 do nearly as well."""
WORTH = 2.0
"""w. From 1 to 4 it hardly matters."""

_TIMES = np.array([1.0, *(WORTH / STRENGTH_WEIGHTS[each] for each in GRADES)], np.float32)
_LEANING = np.array([1.0, *(2 * share - 1 for share in GRADES.values())], np.float32)


def strengths_of(said: Sequence[Comparison]) -> NDArray[np.int64]:
    """Strengths of N comparisons, (N,), 0 where there is none."""
    return np.array([each.strength or 0 for each in said], np.int64)


def grades(outcome: NDArray[Any], weight: Array, strength: NDArray[np.int64]) -> tuple[Array, Array]:
    """What N judgments lean to, from −1 to 1, and what they weigh, (N,) each, from the outcome in 1, 0, −1, a weight in which the strength
    is counted as a weight, and the strength."""
    return (outcome * _LEANING[strength]).astype(np.float32), (weight * _TIMES[strength]).astype(np.float32)
