"""Groups of like-minded annotators, from what a reward model has found out about each; numpy only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from attune.data import Judgment, Snapshot
from attune.errors import BadData
from attune.evaluate import comparisons
from attune.rewards.base import RewardModel

Floats = NDArray[np.float64]
ROUNDS = 100


def like_minded(model: RewardModel, snapshot: Snapshot, count: int, *, seed: int = 0) -> dict[str, int]:
    """The group, 0 … count − 1, of each annotator whose judgments the model can read; 0 is the largest.

    k-means on the margins that each latent gives the snapshot's judged pairs, so that what counts is what people prefer and not
    the scale of a latent's axes. Raises ``BadData`` where there are fewer annotators than groups.
    """
    judged: dict[str, list[Judgment]] = defaultdict(list)
    for each in snapshot.judgments:
        if all(model.knows([each.a, each.b])):
            judged[each.annotator].append(each)
    if len(judged) < count:
        raise BadData(f"{len(judged)} annotators that the model knows cannot make {count} groups")
    ids = sorted({key for said in judged.values() for each in said for key in (each.a, each.b)})
    items = dict(zip(ids, model.items(ids), strict=True))
    pairs = list({(each.a, each.b): None for said in judged.values() for each in said})
    side_a, side_b = (np.stack([items[pair[side]] for pair in pairs]) for side in (0, 1))
    rows = []
    for said in judged.values():
        latent = model.adapt(comparisons(model, said))
        rows.append(np.tanh(model.margin(latent, side_a, side_b)[0]))
    found = _k_means(np.asarray(rows, np.float64), count, np.random.default_rng(seed))
    return dict(zip(judged, _by_size(found, count), strict=True))


def _k_means(rows: Floats, count: int, rng: np.random.Generator) -> Sequence[int]:
    """Lloyd's algorithm from k-means++ centres; labels (N,)."""
    centres = rows[[rng.integers(len(rows))]]
    while len(centres) < count:
        near = _squares(rows, centres).min(1)
        total = near.sum()
        chance = near / total if total > 0 else np.full(len(rows), 1 / len(rows))
        centres = np.vstack([centres, rows[rng.choice(len(rows), p=chance)]])
    labels = _squares(rows, centres).argmin(1)
    for _ in range(ROUNDS):
        members = [rows[labels == each] for each in range(count)]
        centres = np.stack([own.mean(0) if len(own) else centre for own, centre in zip(members, centres, strict=True)])
        moved = _squares(rows, centres).argmin(1)
        if np.array_equal(moved, labels):
            break
        labels = moved
    return [int(each) for each in labels]


def _squares(rows: Floats, centres: Floats) -> Floats:
    return np.asarray(((rows[:, None] - centres[None]) ** 2).sum(2))


def _by_size(labels: Sequence[int], count: int) -> list[int]:
    sizes: Mapping[int, int] = {each: labels.count(each) for each in range(count)}
    order = sorted(range(count), key=lambda each: (-sizes[each], labels.index(each) if sizes[each] else 0))
    return [order.index(each) for each in labels]
