"""Rankings and ratings in the figures of annotators. Each judgment is one observation, from 0 to 1, however long the order is.

So the intervals hold: the couples of one ranking are not independent, and are never counted as if they were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from attune.quality.orders import order_found, orders_alike, ratings_alike

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
TOO_FAST = 1 / 3
"""Of the usual time for a judgment: hardly enough to read the responses."""
IDLE = 10
"""Times the usual time: more is taken for a break, and counts as this much effort."""

CHANCE = 0.5
"""How alike two orders are on average that chance has made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A ranking (``tiers`` of the responses in the lineup's own order) or a rating, that stands.

    ``rating`` is None for “not on this scale”. ``shown`` are the responses' places on the screen, empty where unknown;
    ``lengths`` of the texts; ``known`` the known order's tiers or the lowest and highest right rating, if it is of this scale.
    """

    annotator: int
    lineup: int
    first: bool
    tiers: tuple[int, ...] = ()
    rating: int | None = None
    scale: str = ""
    shown: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    seconds: float | None = None
    words: int = 0

    @property
    def each(self) -> int:
        """Responses that were read."""
        return len(self.tiers) or 1


Shares = Mapping[str, tuple[Floats | Ints, Ints]]
"""Hits and how many there were, by annotator (A,) each; hits may be parts of one."""


@dataclass(frozen=True, slots=True)
class LineupFigures:
    """By annotator (A,): shares, of which ``gold``, ``same``, ``longer``, ``fast`` and ``reasons`` join those of pairs; how many
    first looks, and seconds spent with breaks left out; ``lengths`` of reasons in words."""

    shares: Shares
    first: Ints
    effort: Floats
    lengths: list[list[int]]


def lineup_figures(placed: Sequence[Placed], annotators: int) -> LineupFigures:
    """``ranked`` and ``rated``: how like the others' of the same lineup, the person left out; ``upper``: of the couples with
    a preference, those in favour of the one shown further up."""
    first = [each for each in placed if each.first]
    usual = _usual_times(placed)
    fast = [
        (each, float((each.seconds or 0.0) / each.each < TOO_FAST * usual[bool(each.tiers)])) for each in _timed(placed)
    ]
    shares = {
        "ranked": _others([each for each in first if each.tiers], _orders_with_others),
        "rated": _others([each for each in first if each.rating is not None], _ratings_with_others),
        "gold": [(each, gold_score(each)) for each in first if each.known],
        "same": [(again, likeness(before, again)) for before, again in _twice(placed)],
        "upper": list(_preferred(first, lambda each: tuple(-place for place in each.shown))),
        "longer": list(_preferred(first, lambda each: each.lengths)),
        "fast": fast,
        "reasons": [(each, float(each.words > 0)) for each in placed],
    }
    effort = np.zeros(annotators)
    for each in _timed(placed):
        effort[each.annotator] += min(each.seconds or 0.0, IDLE * usual[bool(each.tiers)] * each.each)
    lengths: list[list[int]] = [[] for _ in range(annotators)]
    for each in placed:
        lengths[each.annotator] += [each.words] if each.words else []
    looks = np.bincount(np.array([each.annotator for each in first], np.int64), minlength=annotators)
    counted = {name: _counted(values, annotators) for name, values in shares.items()}
    return LineupFigures(counted, looks.astype(np.int64), effort, lengths)


def contested(placed: Iterable[Placed]) -> list[int]:
    """Lineups on which two or more part ways, the least alike first.

    Rankings that are no more alike than those of a coin, and ratings more than a step and a half apart on average.
    """
    first = [each for each in placed if each.first]
    of_orders = _others([each for each in first if each.tiers], _orders_with_others)
    of_ratings = _others([each for each in first if each.rating is not None], _ratings_with_others)
    found = _means(of_orders, CHANCE) | _means(of_ratings, CHANCE / 2)
    return sorted(found, key=lambda lineup: (found[lineup], lineup))


def _means(values: Iterable[tuple[Placed, float]], most: float) -> dict[int, float]:
    """The mean of each lineup that is at most ``most``, as a part of it."""
    by_lineup: dict[int, list[float]] = defaultdict(list)
    for each, value in values:
        by_lineup[each.lineup].append(value)
    means = {lineup: sum(some) / len(some) for lineup, some in by_lineup.items()}
    return {lineup: mean / most for lineup, mean in means.items() if mean <= most}


def gold_score(each: Placed) -> float:
    """How much of a known answer was found: of an order couple by couple, of a rating all or nothing."""
    if each.tiers:
        return order_found(each.tiers, each.known)
    low, high = each.known
    return float(each.rating is not None and low <= each.rating <= high)


def likeness(one: Placed, other: Placed) -> float:
    """Of two answers to the same lineup, 0 … 1. “Not on this scale” is like itself only."""
    if one.tiers:
        return orders_alike(one.tiers, other.tiers)
    if one.rating is None or other.rating is None:
        return float(one.rating is other.rating)
    return ratings_alike(one.rating, other.rating) if one.scale == other.scale else 0.0


def mid_places(tiers: Sequence[int]) -> list[int]:
    """Twice the mean place of each response, so that whole numbers do: 2, 5, 5 for one ahead of two that are tied."""
    return [2 * sum(other < own for other in tiers) + sum(other == own for other in tiers) + 1 for own in tiers]


def _timed(placed: Iterable[Placed]) -> list[Placed]:
    return [each for each in placed if each.seconds is not None]


def _usual_times(placed: Sequence[Placed]) -> dict[bool, float]:
    """Everybody's median seconds for a response: of ratings (False), of rankings (True)."""
    times = {True: [], False: []}  # type: dict[bool, list[float]]
    for each in _timed(placed):
        times[bool(each.tiers)].append((each.seconds or 0.0) / each.each)
    return {kind: float(np.median(some)) if some else 0.0 for kind, some in times.items()}


def _others(first: Sequence[Placed], alike: Callable[[Sequence[Placed]], Floats]) -> list[tuple[Placed, float]]:
    """Each judgment whose lineup others judged, too, with the mean likeness to theirs."""
    groups: Mapping[tuple[int, str], list[Placed]] = _grouped(first)
    return [
        pair for group in groups.values() if len(group) > 1 for pair in zip(group, alike(group).tolist(), strict=True)
    ]


def _grouped(first: Iterable[Placed]) -> dict[tuple[int, str], list[Placed]]:
    groups: dict[tuple[int, str], list[Placed]] = defaultdict(list)
    for each in first:
        groups[each.lineup, each.scale].append(each)
    return groups


def _orders_with_others(group: Sequence[Placed]) -> Floats:
    """From counts of who has a couple which way, so that time grows with the people and not with their square."""
    tiers = np.array([each.tiers for each in group])
    one, two = np.array(list(combinations(range(tiers.shape[1]), 2))).T
    ways = np.sign(tiers[:, two] - tiers[:, one])
    total = sum((1 - np.abs(ways - way) / 2) * (ways == way).sum(axis=0) for way in (-1, 0, 1))
    result: Floats = (np.asarray(total).mean(axis=1) - 1) / (len(group) - 1)
    return result


def _ratings_with_others(group: Sequence[Placed]) -> Floats:
    values = np.array([each.rating for each in group], float)
    alike = np.maximum(0.0, 1 - np.abs(values[:, None] - values) / 2)
    result: Floats = (alike.sum(axis=1) - 1) / (len(group) - 1)
    return result


def _twice(placed: Iterable[Placed]) -> list[tuple[Placed, Placed]]:
    """First looks that stand, with the repeat."""
    firsts = {(each.annotator, each.lineup): each for each in placed if each.first}
    found = [(firsts.get((each.annotator, each.lineup)), each) for each in placed if not each.first]
    return [(before, again) for before, again in found if before]


def _preferred(first: Iterable[Placed], measure: Callable[[Placed], Sequence[float]]) -> Iterable[tuple[Placed, float]]:
    """Of each ranking, the share of decided couples in which the response with more of ``measure`` is preferred."""
    for each in first:
        more = measure(each)
        if not each.tiers or len(more) != len(each.tiers):
            continue
        ways = [
            (more[i] > more[j]) == (each.tiers[i] < each.tiers[j])
            for i, j in combinations(range(len(more)), 2)
            if each.tiers[i] != each.tiers[j] and more[i] != more[j]
        ]
        if ways:
            yield each, sum(ways) / len(ways)


def _counted(values: Iterable[tuple[Placed, float]], annotators: int) -> tuple[Floats, Ints]:
    hits, of = np.zeros(annotators), np.zeros(annotators, np.int64)
    for each, value in values:
        hits[each.annotator] += value
        of[each.annotator] += 1
    return hits, of
