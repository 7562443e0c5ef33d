"""Which pair is worth asking an annotator next: the door that ``settings.ATTUNE_CHOOSER`` names."""

# ruff: noqa: S311 (chance here is for an unbiased sample, not for secrets)

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotator.models import Project
from annotator.services.choosing import Candidate, ChoiceRequest, Chosen, LineupCandidate
from attune import select
from attune.rewards import model_class
from attune.rewards.base import Latent
from personalization.items import items_by_row, load, usable
from personalization.latents import live_latent_for
from training.serving import ServedVersion

Array = NDArray[np.float32]

RANDOM_SHARE = 0.15
"""Of the pairs chosen for information, so many are drawn at random, and recorded so: a sample to evaluate on that the
model has not picked for itself."""
COVERAGE_WEIGHT = 0.2
"""What a pair that nobody has judged gains over one that many have, as a share of the best candidate's information."""


class _Forecast(NamedTuple):
    """What the model says of N candidates: which it knows, P(a ≻ b) and what an answer would tell; (N,) each."""

    known: NDArray[np.bool_]
    guesses: Array
    information: Array


def choose(request: ChoiceRequest) -> list[Chosen]:
    """All candidates in the order to try them, with the model's guesses; empty where the project has no live model, or one
    that is too slow to be asked about hundreds of responses between two judgments.

    Under the policy ``information``: by expected information about the annotator's latent and by coverage, or (in
    ``RANDOM_SHARE`` of the calls) at random. Under any other policy: in the order given. Candidates with a response that
    the model knows neither by item nor by vector have no guess, and come last unless the order was given or drawn.
    """
    if not request.candidates:
        return []
    live = live_latent_for(project_id=request.project_id, annotator_id=request.annotator_id)
    if live is None or not model_class(live[0].model_name).quick:
        return []
    served, latent = live
    forecast = _forecast(served, latent, request.candidates)
    order, why = in_order(request.policy, request.candidates, forecast.information, forecast.known)
    guesses = forecast.guesses.tolist()
    return [_chosen(request.candidates[row], why, guesses[row], served.label) for row in order]


def _forecast(served: ServedVersion, latent: Latent, candidates: Sequence[Candidate]) -> _Forecast:
    model, count = load(served), len(candidates)
    ids = [each.response_a_id for each in candidates] + [each.response_b_id for each in candidates]
    items, known = items_by_row(model=model, served=served, ids=ids)
    both = known[:count] & known[count:]
    if not both.any():
        return _Forecast(both, np.full(count, np.nan, np.float32), np.zeros(count, np.float32))
    with usable(served):
        mean, variance, guesses = model.forecast(latent, items[:count], items[count:])
    return _Forecast(both, np.where(both, guesses, np.nan), np.where(both, select.gain(mean, variance), 0))


def in_order(
    policy: str, candidates: Sequence[Candidate | LineupCandidate], information: Array, known: NDArray[np.bool_]
) -> tuple[Sequence[int], str]:
    """The rows of N candidates in the order to try them, and why. Those that the model has no word on (``known`` is false) come last."""
    rows = range(len(candidates))
    if policy != Project.Choosing.INFORMATION:
        return rows, policy
    if random.random() < RANDOM_SHARE:
        return random.sample(rows, len(rows)), "random"
    if not known.any():
        return rows, "coverage"
    taken = np.array([each.taken for each in candidates], np.float32)
    order: list[int] = np.argsort(-np.where(known, worth(information, taken), -np.inf), kind="stable").tolist()
    return order, "information"


def worth(information: Array, taken: Array) -> Array:
    """Information, as a share of the best candidate's, and coverage; (N,) each."""
    best = max(float(information.max()), 1e-12)
    return information / best + COVERAGE_WEIGHT / (1 + taken)


def _chosen(candidate: Candidate, why: str, guess: float, label: str) -> Chosen:
    if not 0 <= guess <= 1:  # the model gives it no number
        return Chosen(candidate.pair_id, "coverage" if why == "information" else why)
    return Chosen(candidate.pair_id, why, guess, label)
