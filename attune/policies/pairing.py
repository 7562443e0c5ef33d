"""Which of a policy's responses to one prompt are compared: best of n, rejection sampling, or as they come. No torch.

Every function takes the places of N candidates and a random generator, and gives pairs of places; nobody is paired twice with
the same one. Equal texts are left out before, by ``distinct``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from attune.errors import BadData

Array = NDArray[np.float32]
Pairs = list[tuple[int, int]]
Pairing = Callable[[Array | None, int, int, np.random.Generator, float], Pairs]


def distinct(texts: Sequence[str]) -> list[int]:
    """Places of the texts that differ from every earlier one in more than white space; empty ones are left out."""
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        first.setdefault(" ".join(text.split()), place)
    first.pop("", None)
    return sorted(first.values())


def best_of_n(rewards: Array, most: int, rng: np.random.Generator) -> Pairs:
    """The candidate with the highest of ``rewards`` (N,) against ``most`` others, drawn without replacement."""
    best = int(rewards.argmax())
    others = rng.permutation([place for place in range(len(rewards)) if place != best])
    return [(best, int(place)) for place in others[:most]]


def accepted(rewards: Array, count: int, beta: float, rng: np.random.Generator) -> list[int]:
    """Statistical rejection sampling (Liu et al. 2024, *RSO*, algorithm 1): ``count`` places of ``rewards`` (N,), or all.

    A candidate y is accepted with probability exp((r(y) − max r)/β), the maximum being over those still in the draw. Of many
    candidates those accepted are spread as the policy that is optimal for the reward would spread them; of few, of which each is
    drawn once, the best come more often. β → 0 takes the best ones, β → ∞ any.
    """
    if beta <= 0:
        raise BadData(f"β is {beta:g}; expected more than 0")
    left = list(range(len(rewards)))
    taken: list[int] = []
    while left and len(taken) < count:
        top = max(float(rewards[place]) for place in left)
        for place in rng.permutation(left):
            if len(taken) < count and rng.random() < np.exp((float(rewards[place]) - top) / beta):
                taken.append(int(place))
        left = [place for place in left if place not in taken]
    return taken


def rejection_sampled(rewards: Array, most: int, beta: float, rng: np.random.Generator) -> Pairs:
    """``most`` pairs of candidates that rejection sampling has accepted, in the order in which it did."""
    places = accepted(rewards, 2 * most, beta, rng)
    return list(zip(places[::2], places[1::2], strict=False))


def as_they_come(count: int, most: int, rng: np.random.Generator) -> Pairs:
    """On-policy pairs: ``most`` pairs of ``count`` candidates drawn at random, each candidate once at most."""
    places = [int(place) for place in rng.permutation(count)]
    return list(zip(places[::2], places[1::2], strict=False))[:most]


def furthest_apart(wins: Array, most: int, rng: np.random.Generator) -> Pairs:
    """``most`` pairs of candidates whose win rates ``wins`` (N,) lie furthest apart: the first against the last, the second against
    the last but one, each once; equal ones in any order (DNO's and INPO's best against worst, where ``most`` is 1)."""
    mixed = rng.permutation(len(wins))
    order = [int(place) for place in mixed[np.argsort(-wins[mixed], kind="stable")]]
    return [(order[place], order[-1 - place]) for place in range(min(most, len(order) // 2))]


PAIRINGS: dict[str, Pairing] = {
    "best_of_n": lambda rewards, _count, most, rng, _beta: best_of_n(_needed(rewards), most, rng),
    "rso": lambda rewards, _count, most, rng, beta: rejection_sampled(_needed(rewards), most, beta, rng),
    "nash": lambda wins, _count, most, rng, _beta: furthest_apart(_needed(wins), most, rng),
    "on_policy": lambda _rewards, count, most, rng, _beta: as_they_come(count, most, rng),
}
"""By name: rewards (of ``nash``: win rates) (N,) or None, N, the most pairs, the generator and β give pairs."""
NASH = "nash"
NEED_REWARDS = frozenset({"best_of_n", "rso", NASH})


def _needed(rewards: Array | None) -> Array:
    if rewards is None:
        raise BadData("this way of pairing needs rewards")
    return rewards


def win_share(mine: Array, theirs: Array) -> float:
    """The share of all N × M couples in which a reward of ``mine`` (N,) is above one of ``theirs`` (M,); ties count half."""
    above = mine[:, None] - theirs[None, :]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))
