"""Preference strength by voting: how sure models that never saw a judgment are of what it says, and what to do about it.

After Wang et al. (2024, "Secrets of RLHF in LLMs II", §2): M models vote, and a judgment's strength is the mean of their
margins towards what was said. Here a vote is *personal*. In each round the judgments are dealt into folds; a model is fitted on
all folds but one, takes each annotator's other judgments as context, and votes on those that were left out. An unusual
taste is therefore no mistake: only what goes against the annotator's own other judgments gets a low strength.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.data import Choice, Judgment, Snapshot
from attune.errors import BadData
from attune.evaluate import comparisons, predict
from attune.rewards import DEFAULT_MODEL, create
from attune.rewards.base import Array, Progress, RewardModel

OTHER: Mapping[Choice, Choice] = {"a": "b", "b": "a", "tie": "tie", "both_good": "both_good", "both_bad": "both_bad"}
LEAST_FIT = 4
"""Decided judgments below which nothing can be left out."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """Votes on the N judgments of a snapshot, in its order.

    votes (V, N): the log-odds that each round's model gives to what was said, calibrated and with its doubt about the
    annotator averaged over; NaN for ties and ``both_bad``, which say nothing that could be the wrong way round.
    """

    votes: Array

    @property
    def mean(self) -> Array:
        """Mean vote μ̂, (N,); NaN where there is none. Negative: the models would have said the opposite."""
        return np.asarray(self.votes.mean(axis=0), np.float32)

    @property
    def spread(self) -> Array:
        """Standard deviation of the votes, (N,): how far the models are of one mind."""
        return np.asarray(self.votes.std(axis=0), np.float32)


def vote(
    snapshot: Snapshot,
    features: Mapping[str, Array],
    *,
    encoder: str,
    model: str = DEFAULT_MODEL,
    options: Mapping[str, Any] | None = None,
    rounds: int = 3,
    folds: int = 2,
    seed: int = 0,
    progress: Progress | None = None,
) -> Strengths:
    """Let ``rounds × folds`` fits vote on every decided judgment; deterministic given the seed.

    Judgments of one annotator about one pair are left out together, so that no second look tells of the first.
    ``progress`` is called before each fit. Raises ``BadData`` where fewer than four judgments are decided.
    """
    if rounds < 1 or folds < 2:
        raise BadData(f"rounds is {rounds} and folds is {folds}; expected at least 1 and 2")
    decided = np.array([each.choice in ("a", "b") for each in snapshot.judgments], bool)
    if decided.sum() < LEAST_FIT:
        raise BadData(f"{int(decided.sum())} decided judgments are too few to vote on; expected at least {LEAST_FIT}")
    rng = np.random.default_rng(seed)
    units = _units(snapshot.judgments)
    votes = np.full((rounds, len(decided)), np.nan, np.float32)
    for number in range(rounds):
        fold_of = rng.permutation(np.arange(units.max() + 1) % folds)[units]
        for fold in range(folds):
            if progress:
                progress({"stage": "voting", "step": number * folds + fold, "steps": rounds * folds})
            kept = [each for each, is_out in zip(snapshot.judgments, fold_of == fold, strict=True) if not is_out]
            voter = create(model, **(options or {}))
            voter.fit(replace(snapshot, judgments=kept), features, encoder=encoder, seed=seed + number)
            rows = np.flatnonzero((fold_of == fold) & decided)
            left_out = [snapshot.judgments[int(row)] for row in rows]
            votes[number, rows] = _votes(voter, kept, left_out, features)
    return Strengths(votes)


def suspects(strengths: Strengths, at_least: float = 0.8) -> NDArray[np.int64]:
    """Rows of judgments that are likely mislabelled, the likeliest first: every model votes against them, and the mean
    vote gives the opposite at least the probability ``at_least``."""
    against = (strengths.votes < 0).all(axis=0) & (strengths.mean <= -np.log(at_least / (1 - at_least)))
    rows = np.flatnonzero(against)
    return rows[np.argsort(strengths.mean[rows], kind="stable")].astype(np.int64)


def flipped(snapshot: Snapshot, rows: Sequence[int] | NDArray[np.int64]) -> Snapshot:
    """The snapshot with those judgments turned round, for fitting; strength, tags and words, which spoke for the other
    choice, are dropped. The digest no longer holds and is emptied."""
    turned = {int(row) for row in rows}
    judgments = tuple(
        replace(each, choice=OTHER[each.choice], strength=None, tags=(), rationale="") if number in turned else each
        for number, each in enumerate(snapshot.judgments)
    )
    return replace(snapshot, judgments=judgments, digest="")


def soft_targets(strengths: Strengths, *, trust: float = 0.5) -> Array:
    """What a loss should aim at for what was said, (N,) in [trust, 1]; 1 where nobody voted.

    ``trust · said + (1 − trust) · voted``, with the models' mean probability: soft labels for judgments that they doubt.
    """
    voted = 1 / (1 + np.exp(-np.nan_to_num(strengths.mean, nan=np.inf)))
    return np.asarray(trust + (1 - trust) * voted, np.float32)


def adaptive_margins(strengths: Strengths, most: float = 4.0) -> Array:
    """Margins μ̂ for the loss −log σ(Δ − μ̂), (N,), clipped to ±``most`` log-odds; 0 where nobody voted."""
    return np.asarray(np.clip(np.nan_to_num(strengths.mean), -most, most), np.float32)


def with_margins(snapshot: Snapshot, strengths: Strengths) -> Snapshot:
    """The snapshot with every judgment's ``adaptive_margins``, for fitting models that aim at margins: what the voters are sure of
    must be preferred by as much, and what they doubt hardly counts. The digest no longer holds and is emptied."""
    margins = adaptive_margins(strengths)
    judgments = tuple(
        replace(each, margin=float(margin)) for each, margin in zip(snapshot.judgments, margins, strict=True)
    )
    return replace(snapshot, judgments=judgments, digest="")


def _units(judgments: Sequence[Judgment]) -> NDArray[np.int64]:
    """The same number for judgments of one annotator about one pair, (N,)."""
    numbers: dict[tuple[str, ...], int] = {}
    return np.array(
        [numbers.setdefault((each.annotator, *sorted((each.a, each.b))), len(numbers)) for each in judgments], np.int64
    )


def _votes(
    voter: RewardModel, kept: Sequence[Judgment], left_out: Sequence[Judgment], features: Mapping[str, Array]
) -> Array:
    """Log-odds of what each left-out judgment says, (N,), given the annotator's kept ones."""
    context: dict[str, list[Judgment]] = {}
    for each in kept:
        context.setdefault(each.annotator, []).append(each)
    rows: dict[str, list[int]] = {}
    for row, each in enumerate(left_out):
        rows.setdefault(each.annotator, []).append(row)
    votes = np.zeros(len(left_out), np.float32)
    for annotator, own in rows.items():
        latent = voter.adapt(comparisons(voter, context.get(annotator, ()), features))
        said = [left_out[row] for row in own]
        p = np.clip(predict(voter, latent, said, features).astype(np.float64), 1e-6, 1 - 1e-6)
        votes[own] = np.where([each.choice == "a" for each in said], 1, -1) * np.log(p / (1 - p))
    return votes
