"""Which pair is worth asking an annotator next: the door that ``settings.ATTUNE_CHOOSER`` names."""

from __future__ import annotations

from collections.abc import Sequence
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
class _Ranked:
    """The candidates that the model has items for, with the items of both sides, (N, K) each."""

    candidates: list[Candidate]
    a: Array
    b: Array


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
    ranked = _with_items(served, request.candidates)
    guesses = _guesses(served, latent, ranked)
    order, why = _order(request, served, latent, ranked, np.random.default_rng())
    return [_chosen(candidate, why, guesses, served) for candidate in order]


def _with_items(served: ServedVersion, candidates: Sequence[Candidate]) -> _Ranked:
    ids = [each.response_a_id for each in candidates] + [each.response_b_id for each in candidates]
    items, known = items_by_row(model=load(served), served=served, ids=ids)
    both = known[: len(candidates)] & known[len(candidates) :]
    return _Ranked(list(compress(candidates, both)), items[: len(candidates)][both], items[len(candidates) :][both])


def _guesses(served: ServedVersion, latent: Latent, ranked: _Ranked) -> dict[int, float]:
    """P(a ≻ b) by pair; pairs that the model gives no number are left out."""
    if not ranked.candidates:
        return {}
    with usable(served):
        guesses = load(served).probability(latent, ranked.a, ranked.b)
    pairs = zip(ranked.candidates, guesses.tolist(), strict=True)
    return {each.pair_id: guess for each, guess in pairs if 0 <= guess <= 1}


def _order(
    request: ChoiceRequest, served: ServedVersion, latent: Latent, ranked: _Ranked, rng: np.random.Generator
) -> tuple[list[Candidate], str]:
    """The candidates in the order to try them, and why."""
    candidates = list(request.candidates)
    if request.policy != Project.Choosing.INFORMATION:
        return candidates, request.policy
    if rng.random() < RANDOM_SHARE:
        return [candidates[index] for index in rng.permutation(len(candidates))], "random"
    if not ranked.candidates:
        return candidates, "coverage"
    known = {each.pair_id for each in ranked.candidates}
    by_worth = [ranked.candidates[index] for index in np.argsort(-_worth(served, latent, ranked), kind="stable")]
    return by_worth + [each for each in candidates if each.pair_id not in known], "information"


def _worth(served: ServedVersion, latent: Latent, ranked: _Ranked) -> Array:
    """Information, as a share of the best candidate's, and coverage; (N,)."""
    information = select.gain(*load(served).margin(latent, ranked.a, ranked.b))
    taken = np.array([each.taken for each in ranked.candidates], np.float32)
    return information / max(float(information.max()), 1e-12) + COVERAGE_WEIGHT / (1 + taken)


def _chosen(candidate: Candidate, why: str, guesses: dict[int, float], served: ServedVersion) -> Chosen:
    guess = guesses.get(candidate.pair_id)
    if guess is None:
        return Chosen(candidate.pair_id, "coverage" if why == "information" else why)
    return Chosen(candidate.pair_id, why, guess, served.label)
