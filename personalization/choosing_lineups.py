"""Which lineup is worth asking an annotator next, and what the model guesses of it: ``settings.ATTUNE_LINEUP_CHOOSER``.

A ranking of n responses tells what its couples tell, with the weights of docs/decisions/0012; a rating tells what comparing the
response with the others to its prompt would. Per response that has to be read, so that long rankings do not always win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from annotator.models import Judgment
from annotator.selectors.lineups import OwnRating, own_ratings
from annotator.services.choosing import ChosenLineup, LineupCandidate, LineupRequest
from attune import select
from attune.rewards.base import Latent
from personalization.choosing import in_order
from personalization.items import items_by_row, load, usable
from personalization.latents import live_latent_for
from training.serving import ServedVersion

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
ENOUGH_RATINGS = 5
"""Own ratings on the scale before the next one is guessed."""
SHRINKAGE = 1.0
"""As if so much squared reward, in logits, had told that rewards say nothing of ratings."""


def choose(request: LineupRequest) -> list[ChosenLineup]:
    """All candidates in the order to try them, with the model's guesses; empty where the project has no live model.

    The order as ``personalization.choosing.choose`` has it. The guess of a ranking is the rewards of its responses; of a
    rating, a place on the scale (not rounded), once the annotator has rated ``ENOUGH_RATINGS`` others.
    """
    live = live_latent_for(project_id=request.project_id, annotator_id=request.annotator_id)
    if live is None or not request.candidates:
        return []
    served, latent = live
    rated = _own_ratings(request)
    ids = _responses(request.candidates) | {each for row in rated for each in (row.response, *row.beside)}
    known = _Known.of(served, latent, sorted(ids))
    guesses = _guesses(request, known, rated)
    told = _information(request.kind, request.candidates, known)
    order, why = in_order(request.policy, request.candidates, told, np.full(len(told), told.any()))
    best_first = [request.candidates[row].lineup_id for row in order]
    return [ChosenLineup(pk, why, guesses.get(pk), served.label if pk in guesses else "") for pk in best_first]


@dataclass(frozen=True, slots=True)
class _Known:
    """Items (N, K) and rewards (N,) of the responses that the model knows, by their places."""

    served: ServedVersion
    latent: Latent
    place: dict[int, int]
    items: Array
    rewards: Array

    @classmethod
    def of(cls, served: ServedVersion, latent: Latent, ids: Sequence[int]) -> _Known:
        model = load(served)
        items, known = items_by_row(model=model, served=served, ids=ids)
        items = items[known]
        with usable(served):
            rewards = model.score(latent, items).mean if len(items) else np.zeros(0, np.float32)
        place = {pk: n for n, pk in enumerate(pk for pk, there in zip(ids, known, strict=True) if there)}
        return cls(served, latent, place, items, rewards)

    def has(self, ids: Sequence[int]) -> bool:
        return all(each in self.place for each in ids)

    def reward(self, response: int) -> float:
        return float(self.rewards[self.place[response]])

    def ahead(self, response: int, beside: Sequence[int]) -> float | None:
        """How much better than the mean of the prompt's known responses; rewards are comparable within a prompt only."""
        others = [self.reward(each) for each in beside if each in self.place]
        if response not in self.place or not others:
            return None
        own = self.reward(response)
        return own - (own + sum(others)) / (1 + len(others))


def _responses(candidates: Sequence[LineupCandidate]) -> set[int]:
    return {pk for each in candidates for pk in (*each.responses, *each.beside)}


def _information(kind: str, candidates: Sequence[LineupCandidate], known: _Known) -> Array:
    """What each candidate would tell of the annotator's latent, in nats for each response to be read; (N,)."""
    rows = [(n, *row) for n, each in enumerate(candidates) for row in _couples(kind, each, known)]
    told = np.zeros(len(candidates), np.float32)
    if not rows:
        return told
    which, a, b, weight = (np.array(column) for column in zip(*rows, strict=True))
    with usable(known.served):
        mean, variance = load(known.served).margin(known.latent, known.items[a], known.items[b])
    np.add.at(told, which, select.gain(mean, variance) * weight.astype(np.float32))
    read = np.array([len(each.responses) for each in candidates], np.float32)
    per_response: Array = np.divide(told, read, dtype=np.float32)
    return per_response


def _couples(kind: str, candidate: LineupCandidate, known: _Known) -> list[tuple[int, int, float]]:
    """Places of two responses, and what comparing them weighs; none where the model doesn't know what is to be read."""
    place = known.place
    if not known.has(candidate.responses):
        return []
    if kind == Judgment.Kind.RANKING:
        n = len(candidate.responses)
        return [(place[one], place[two], 2 / n) for one, two in combinations(candidate.responses, 2)]
    beside = [place[each] for each in candidate.beside if each in place]
    return [(place[candidate.responses[0]], other, 1 / len(beside)) for other in beside]


def _guesses(request: LineupRequest, known: _Known, rated: Sequence[OwnRating]) -> dict[int, list[float]]:
    """By lineup, as ``Assignment.guesses`` keeps them; finite ones only."""
    if request.kind == Judgment.Kind.RANKING:
        found = {
            each.lineup_id: [known.reward(pk) for pk in each.responses]
            for each in request.candidates
            if known.has(each.responses)
        }
    else:
        found = _rating_guesses(request, known, rated)
    return {pk: values for pk, values in found.items() if np.isfinite(values).all()}


def _rating_guesses(request: LineupRequest, known: _Known, rated: Sequence[OwnRating]) -> dict[int, list[float]]:
    """The annotator's mean rating, and how much of the reward above the prompt's mean their ratings showed so far."""
    pairs = [(each.rating, ahead) for each in rated if (ahead := known.ahead(each.response, each.beside)) is not None]
    if len(pairs) < ENOUGH_RATINGS:
        return {}
    ratings, rewards = np.array(pairs, np.float64).T
    mean = float(ratings.mean())
    slope = max(0.0, float(((ratings - mean) * rewards).sum() / ((rewards**2).sum() + SHRINKAGE)))
    low, high = map(int, request.scale.split("-"))
    return {
        each.lineup_id: [float(np.clip(mean + slope * ahead, low, high))]
        for each in request.candidates
        if (ahead := known.ahead(each.responses[0], each.beside)) is not None
    }


def _own_ratings(request: LineupRequest) -> list[OwnRating]:
    if request.kind != Judgment.Kind.RATING:
        return []
    return own_ratings(annotator_id=request.annotator_id, scale=request.scale)
