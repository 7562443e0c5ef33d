"""Which pair is worth asking an annotator next: the door that ``settings.ATTUNE_CHOOSER`` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from annotator.models import Project
from annotator.services.choosing import Candidate, ChoiceRequest, Chosen
from attune import select
from attune.rewards.base import Latent
from personalization.items import items_by_row, load, usable
from personalization.latents import latent_for
from training.serving import ServedVersion, live_version

Array = NDArray[np.float32]

RANDOM_SHARE = 0.15
"""Of the pairs chosen for information, so many are drawn at random, and recorded so: a sample to evaluate on that the
model has not picked for itself."""
COVERAGE_WEIGHT = 0.2
"""What a pair that nobody has judged gains over one that many have, as a share of the best candidate's information."""


@dataclass(frozen=True, slots=True)
class _Forecast:
    """What the model says of the N candidates that it knows: P(a ≻ b), and what an answer would tell, (N,) each."""

    candidates: list[Candidate]
    guesses: Array
    information: Array


def choose(request: ChoiceRequest) -> list[Chosen]:
    """All candidates in the order to try them, with the model's guesses; empty where the project has no live model.

    Under the policy ``information``: by expected information about the annotator's latent and by coverage, or (in
    ``RANDOM_SHARE`` of the calls) at random. Under any other policy: in the order given. Candidates with a response that
    the model knows neither by item nor by vector have no guess, and come last unless the order was given or drawn.
    """
    served = live_version(request.project_id)
    if served is None or not request.candidates:
        return []
    latent = latent_for(annotator_id=request.annotator_id, served=served)
    forecast = _forecast(served, latent, request.candidates)
    order, why = _order(request, forecast, np.random.default_rng())
    guesses = dict(zip((each.pair_id for each in forecast.candidates), forecast.guesses.tolist(), strict=True))
    return [_chosen(candidate, why, guesses, served) for candidate in order]


def _forecast(served: ServedVersion, latent: Latent, candidates: Sequence[Candidate]) -> _Forecast:
    model, count = load(served), len(candidates)
    ids = [each.response_a_id for each in candidates] + [each.response_b_id for each in candidates]
    items, known = items_by_row(model=model, served=served, ids=ids)
    both = known[:count] & known[count:]
    if not both.any():
        return _Forecast([], _NOTHING, _NOTHING)
    with usable(served):
        mean, variance, guesses = model.forecast(latent, items[:count][both], items[count:][both])
    return _Forecast(list(compress(candidates, both)), guesses, select.gain(mean, variance))


_NOTHING = np.zeros(0, np.float32)


def _order(request: ChoiceRequest, forecast: _Forecast, rng: np.random.Generator) -> tuple[list[Candidate], str]:
    """The candidates in the order to try them, and why."""
    candidates = list(request.candidates)
    if request.policy != Project.Choosing.INFORMATION:
        return candidates, request.policy
    if rng.random() < RANDOM_SHARE:
        return [candidates[index] for index in rng.permutation(len(candidates))], "random"
    if not forecast.candidates:
        return candidates, "coverage"
    known = {each.pair_id for each in forecast.candidates}
    by_worth = [forecast.candidates[index] for index in np.argsort(-_worth(forecast), kind="stable")]
    return by_worth + [each for each in candidates if each.pair_id not in known], "information"


def _worth(forecast: _Forecast) -> Array:
    """Information, as a share of the best candidate's, and coverage; (N,)."""
    taken = np.array([each.taken for each in forecast.candidates], np.float32)
    best = max(float(forecast.information.max()), 1e-12)
    return forecast.information / best + COVERAGE_WEIGHT / (1 + taken)


def _chosen(candidate: Candidate, why: str, guesses: Mapping[int, float], served: ServedVersion) -> Chosen:
    guess = guesses.get(candidate.pair_id, np.nan)
    if not 0 <= guess <= 1:  # the model gives it no number
        return Chosen(candidate.pair_id, "coverage" if why == "information" else why)
    return Chosen(candidate.pair_id, why, guess, served.label)
