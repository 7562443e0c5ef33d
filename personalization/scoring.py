"""The one function behind every way of asking for rewards: who, which model, which texts, on which scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from annotator.access import Access
from annotator.errors import Forbidden, Invalid, NotFound
from annotator.models import Response
from attune.data import content_digest
from attune.rewards.aggregates import UWO_PENALTY, Aggregate, HasMembers, combined, squashed
from attune.rewards.base import Comparison, Latent, RewardModel, Scores
from personalization.errors import ModelUnusable, NoModel
from personalization.inline import InlineJudgment, check_tags
from personalization.items import items_of_texts, load, usable
from personalization.latents import Person, adapt_with, find_person_by_ref
from training.serving import ServedVersion, live_version, version_by_label

Array = NDArray[np.float32]
Normalize = Literal["none", "sigmoid", "percentile"]

REFERENCE, FEW_REFERENCES = 2_000, 32
"""So many of a project's responses a percentile is taken among; the fewer for models that are slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """N completions of one prompt to score for ``user`` (a reference; None is everybody) under ``model`` (None: live)."""

    prompt: str
    completions: tuple[str, ...]
    user: str | None = None
    model: str | None = None
    context: tuple[InlineJudgment, ...] = ()
    normalize: Normalize = "none"
    aggregate: Aggregate = "mean"
    explain: bool = False
    """Whether the answer shall say why the best comes before the second best (``personalization.explaining``)."""


@dataclass(frozen=True, slots=True)
class Rewards:
    """N rewards in the order asked, with their standard deviations, and what they rest on.

    ``fallback`` is true where nothing personal went in, so that the rewards are everybody's.
    """

    served: ServedVersion
    mean: list[float]
    std: list[float]
    cached: list[bool]
    n_judgments: int

    @property
    def fallback(self) -> bool:
        return self.n_judgments == 0


def score(*, access: Access, user_id: int, request: ScoreRequest) -> Rewards:
    """Rewards of the completions. ``user_id`` is who asks: annotators may only ask for themselves.

    Raises ``NotFound`` for an unknown user or version, ``Forbidden``, ``NoModel``, ``ModelUnusable``, ``ScorerAway``,
    ``ScorerBusy``, and ``Invalid`` for an aggregate that the model or a tag that the project does not have.
    """
    check_tags(access.project, request.context)
    served = version_for(access.project.pk, request.model)
    model = load(served)
    check_aggregate(request.aggregate, request.normalize, served, model)
    person = _person(access, user_id, request, served)
    digests = [content_digest(request.prompt, text) for text in request.completions]
    texts = {digest: (request.prompt, text) for digest, text in zip(digests, request.completions, strict=True)}
    context = {content_digest(*text): text for each in request.context for text in each.texts}
    found = items_of_texts(model=model, served=served, project_id=access.project.pk, texts=texts | context)
    latent = _latent(model, served, person, [_comparison(each, found) for each in request.context])
    rows = [found[digest] for digest in digests]
    items = np.stack([item for item, _ in rows])
    scores = scaled(served=served, latent=latent, items=items, normalize=request.normalize, aggregate=request.aggregate)
    return Rewards(served, scores.mean.tolist(), scores.std.tolist(), [cached for _, cached in rows], latent.n)


def version_for(project_id: int, label: str | None) -> ServedVersion:
    """The pinned version, or the live one. Raises ``NotFound`` for an unknown label, ``NoModel`` where none is live."""
    if label is not None:
        return version_by_label(project_id, label)
    if (served := live_version(project_id)) is None:
        raise NoModel(_("This project has no live model yet: train one and promote it."))
    return served


def scaled(
    *,
    served: ServedVersion,
    latent: Latent,
    items: Array,
    normalize: Normalize = "none",
    aggregate: Aggregate = "mean",
    penalty: float = UWO_PENALTY,
    model: RewardModel | None = None,
) -> Scores:
    """Rewards of items (N, K) on the asked scale, with their standard deviations on that scale.

    ``sigmoid`` is σ(reward), its deviation by the slope there. ``percentile`` is the share of the project's responses
    that the same latent rewards less (ties count half), its deviation half the way from one below to one above the mean.
    Raises ``ModelUnusable`` rather than answer with anything that is not a number.
    """
    model = model or load(served)
    with usable(served):
        scores = _summed_up(model, latent, items, aggregate, penalty)
    if not (np.isfinite(scores.mean).all() and np.isfinite(scores.std).all()):
        raise ModelUnusable(
            _("The model %(model)s gave a reward that is not a finite number.") % {"model": served.label}
        )
    if normalize == "sigmoid":
        return squashed(scores)
    if normalize == "percentile":
        reference = np.sort(model.score(latent, _reference_items(served)).mean)
        low, mean, high = (_share_below(reference, scores.mean + step * scores.std) for step in (-1, 0, 1))
        return Scores(mean, np.asarray((high - low) / 2, np.float32))
    return scores


def _summed_up(model: RewardModel, latent: Latent, items: Array, how: Aggregate, penalty: float) -> Scores:
    """As the model does it for ``mean``; its members' rewards as asked for the others."""
    if how == "mean" or not isinstance(model, HasMembers):
        return model.score(latent, items)
    return combined(model.member_scores(latent, items), how, penalty=penalty)


def _share_below(reference: Array, values: Array) -> Array:
    """The mid-rank share of the sorted ``reference`` (M,) below each of ``values`` (N,)."""
    below, to = np.searchsorted(reference, values, "left"), np.searchsorted(reference, values, "right")
    return ((below + to) / (2 * len(reference))).astype(np.float32)


@lru_cache(maxsize=32)
def _reference_items(served: ServedVersion) -> Array:
    """Items of a fixed sample of the project's responses, (M, K), those with the smallest digests."""
    model = load(served)
    found = Response.objects.filter(prompt__project__versions=served.id).order_by("digest", "pk")
    most = REFERENCE if model.quick else FEW_REFERENCES
    keys = [str(pk) for pk in found.values_list("pk", flat=True)[: 2 * most]]
    known = [key for key, knows in zip(keys, model.knows(keys), strict=True) if knows][:most]
    if not known:
        raise ModelUnusable(
            _("The model %(model)s knows no response of its project to compare with.") % {"model": served.label}
        )
    return model.items(known)


def check_aggregate(how: Aggregate, normalize: Normalize, served: ServedVersion, model: RewardModel) -> None:
    """Raises ``Invalid`` for an aggregate that the model lacks, or that does not go with the scale."""
    if how != "mean" and not isinstance(model, HasMembers):
        raise Invalid(
            _("The aggregate “%(how)s” needs an ensemble; %(model)s is one model.")
            % {"how": how, "model": served.label},
            fields={"aggregate": _("is %(value)s, which needs an ensemble; expected 'mean'") % {"value": repr(how)}},
        )
    if how != "mean" and normalize == "percentile":
        raise Invalid(
            _("Percentiles are of the mean reward only."),
            fields={"normalize": _("is 'percentile', which does not go with %(value)s") % {"value": repr(how)}},
        )


def _person(access: Access, user_id: int, request: ScoreRequest, served: ServedVersion) -> Person | None:
    """Whose rewards; None is everybody's, or those of somebody new with a context of their own."""
    if request.user is None:
        return None
    person = find_person_by_ref(served=served, project_id=access.project.pk, ref=request.user)
    if not access.reads and (person is None or person.user_id != user_id):
        raise Forbidden(_("Annotators can ask for their own rewards and for everybody’s, not for those of others."))
    if person is None and not request.context:
        raise NotFound(_("There is no annotator “%(ref)s” in this project.") % {"ref": request.user})
    return person


def _latent(model: RewardModel, served: ServedVersion, person: Person | None, inline: Sequence[Comparison]) -> Latent:
    if inline:
        return adapt_with(annotator_id=person.id if person else None, served=served, inline=inline)
    return person.latent if person else model.prior()


def _comparison(each: InlineJudgment, found: dict[str, tuple[Array, bool]]) -> Comparison:
    return each.comparison(*(found[content_digest(*text)][0] for text in each.texts))
