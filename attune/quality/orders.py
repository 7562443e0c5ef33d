"""How alike two orders of the same responses are, or two ratings of one.

Orders are compared couple by couple, as Kendall's τ does it: 1 is the same order, 0 the opposite, ½ what chance gives on average.
Imports nothing heavy, for the page that tells a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Tiers = Sequence[float]
"""Of each response, by place: its tier in an order, the best having the lowest; equal ones are tied."""


def tiers_of(ranking: Sequence[Sequence[int]]) -> list[int]:
    """Groups of numbers from 1, the best first, as the tier of each number."""
    tier = {number: n for n, group in enumerate(ranking) for number in group}
    return [tier[number] for number in range(1, len(tier) + 1)]


def couples_alike(guessed: Tiers, said: Tiers) -> tuple[int, int]:
    """Of the couples that ``said`` decides, how many ``guessed`` has the same way, and how many there are."""
    of = [
        (guessed[one] - guessed[two]) * (said[one] - said[two]) > 0
        for one, two in combinations(range(len(said)), 2)
        if said[one] != said[two]
    ]
    return sum(of), len(of)


def orders_alike(one: Tiers, two: Tiers) -> float:
    """Mean over couples: 1 where both have them the same way (or tied), 0 where opposite, ½ where only one ties them."""
    return _mean([_alike(_way(one, i, j), _way(two, i, j)) for i, j in combinations(range(len(one)), 2)])


def order_found(said: Tiers, known: Tiers) -> float:
    """The same over the couples that the known order decides; of the others nothing is known."""
    ways = [(_way(known, i, j), _way(said, i, j)) for i, j in combinations(range(len(known)), 2)]
    return _mean([_alike(right, given) for right, given in ways if right])


def ratings_alike(one: float, two: float) -> float:
    """1 for the same place on a scale, ½ for neighbours, 0 for any others."""
    return max(0.0, 1 - abs(one - two) / 2)


def _way(tiers: Tiers, i: int, j: int) -> int:
    return (tiers[i] < tiers[j]) - (tiers[i] > tiers[j])


def _alike(one: int, two: int) -> float:
    return 1 - abs(one - two) / 2


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
