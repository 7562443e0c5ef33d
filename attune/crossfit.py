"""How well an annotator's own model guesses choices that no part of it has seen: another taste, or no taste at all?

Judgments are dealt into folds. For each fold a model is fitted on the others, shared items and weights included, every
annotator's latent is adapted to their judgments among these, and what they said in the fold is guessed. Adapting alone is
not enough: items fitted on a coin's answers know the coin's answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attune import rewards
from attune.data import Judgment, Snapshot
from attune.errors import BadData
from attune.rewards.base import Array, Comparison, Latent, Progress, RewardModel
from attune.rewards.reasons import spoken_in

FOLDS = 3
LEAST = 10
"""Preferences that it takes to say anything of an annotator."""


@dataclass(frozen=True, slots=True)
class Guessed:
    """Of ``of`` preferences, so many were guessed by the annotator's own model, and by the pooled one."""

    right: int
    pooled: int
    of: int


def cross_fitted(
    snapshot: Snapshot,
    features: Mapping[str, Array],
    *,
    encoder: str,
    model_name: str = "hybrid",
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Guessed]:
    """For each annotator with ``LEAST`` preferences or more: how many of them were guessed, fold by fold.

    ``features`` maps every response to its (D,) vector. Hidden repeats are left out. Empty where a fold leaves nothing to
    learn from. Takes ``FOLDS`` fits.
    """
    judgments = [each for each in snapshot.judgments if not each.repeat]
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(judgments))
    enough = _with_enough(judgments)
    if not enough:
        return {}
    right, pooled, of = defaultdict[str, int](int), defaultdict[str, int](int), defaultdict[str, int](int)
    for number in range(FOLDS):
        known = [each for each, its in zip(judgments, fold, strict=True) if its != number]
        asked = [each for each, its in zip(judgments, fold, strict=True) if its == number and each.annotator in enough]
        model = rewards.create(model_name)
        try:
            model.fit(replace(snapshot, judgments=known), features, encoder=encoder, seed=seed, progress=progress)
        except BadData:
            return {}
        items = _items(model, snapshot, features)
        said = _by_annotator(known)
        for name, theirs in _by_annotator(asked).items():
            decided = [each for each in theirs if each.choice in ("a", "b")]
            own = model.adapt([_comparison(each, items) for each in said.get(name, [])])
            right[name] += _hits(model, own, decided, items)
            pooled[name] += _hits(model, model.prior(), decided, items)
            of[name] += len(decided)
    return {name: Guessed(right[name], pooled[name], of[name]) for name in sorted(enough)}


def _with_enough(judgments: Iterable[Judgment]) -> set[str]:
    decided = defaultdict[str, int](int)
    for each in judgments:
        decided[each.annotator] += each.choice in ("a", "b")
    return {name for name, count in decided.items() if count >= LEAST}


def _by_annotator(judgments: Iterable[Judgment]) -> dict[str, list[Judgment]]:
    found: dict[str, list[Judgment]] = {}
    for each in judgments:
        found.setdefault(each.annotator, []).append(each)
    return found


def _items(model: RewardModel, snapshot: Snapshot, features: Mapping[str, Array]) -> dict[str, NDArray[np.float32]]:
    ids = list(snapshot.responses)
    return dict(zip(ids, model.items(ids, features), strict=True))


def _comparison(judgment: Judgment, items: Mapping[str, Array]) -> Comparison:
    return Comparison(
        items[judgment.a],
        items[judgment.b],
        judgment.choice,
        judgment.strength,
        judgment.swapped,
        judgment.weight,
        spoken_in(judgment),
    )


def _hits(model: RewardModel, latent: Latent, decided: Sequence[Judgment], items: Mapping[str, Array]) -> int:
    if not decided:
        return 0
    a, b = (np.stack([items[getattr(each, side)] for each in decided]) for side in "ab")
    for_a = np.array([each.choice == "a" for each in decided])
    return int(((model.probability(latent, a, b) >= 0.5) == for_a).sum())
