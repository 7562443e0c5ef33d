"""Asking a person about their own taste, where that tells the model more per second than the pairs before them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np
from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import Annotator, Assignment, Judgment, Project
from annotator.selectors.progress import progress_of
from attune.pacing import may_ask, questions_by
from attune.rewards.base import Latent, RewardModel
from attune.rewards.corrections import ASKED_WORTH, trait_margins
from attune.select import aspect_first, gain, statement_gain
from attune.style_features import TRAITS, poles_of
from personalization.items import items_by_row, load, usable
from personalization.latents import find_person
from personalization.models import TraitStatement
from training.serving import ServedVersion, live_version

QUESTION_SECONDS = 8.0
"""What a question is taken to cost: a line to read and one of five to choose."""
PAIR_SECONDS = 20.0
"""The same of a pair, for somebody of whom no times are known."""
LATELY = 20
STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""What can be answered, on the profile page's scale."""


@dataclass(frozen=True, slots=True)
class TraitQuestion:
    """Which trait to ask about, and what its answer and the best pair at hand tell, in nats a second."""

    trait: str
    tells: float
    pair_tells: float

    @property
    def poles(self) -> tuple[str, str]:
        return poles_of(self.trait)

    @property
    def answers(self) -> list[tuple[str, str]]:
        """Values with their words, from the first pole to the second."""
        first, second = self.poles
        words = (_("much more %s") % first, _("rather %s") % first, _("as most people"), _("rather %s") % second)
        return [(f"{step:g}", said) for step, said in zip(STEPS, (*words, _("much more %s") % second), strict=True)]


def question_for(annotator: Annotator) -> TraitQuestion | None:
    """What to ask the annotator now, if anything: only where the model chooses what is asked, at the judgments that
    ``may_ask`` names, once at each, and never twice about a trait, whether it was answered, passed over or corrected.

    Compared with the pairs that are lent to them now, which the question would put off. Raises ``ModelUnusable``.
    """
    if annotator.project.choosing != Project.Choosing.INFORMATION:
        return None
    served = live_version(annotator.project_id)
    person = find_person(served=served, pk=annotator.pk) if served else None
    judged = progress_of(annotator).total
    if served is None or person is None or not may_ask(judged):
        return None
    stated = list(TraitStatement.objects.filter(annotator=annotator).values_list("trait", "asked"))
    if sum(asked for _trait, asked in stated) >= questions_by(judged):
        return None
    known = {trait for trait, _asked in stated}
    free = [number for number, name in enumerate(TRAITS) if name not in known]
    model = load(served)
    pair = _best_pair(annotator, model, served, person.latent)
    with usable(served):
        mean, variance = trait_margins(model, person.latent)
    if not free or not len(mean) or pair is None:
        return None
    tells, took = statement_gain(mean[free], variance[free], ASKED_WORTH), _seconds(annotator)
    row = aspect_first(tells, QUESTION_SECONDS, pair, took)
    if row is None:
        return None
    return TraitQuestion(list(TRAITS)[free[row]], float(tells[row]) / QUESTION_SECONDS, pair / took)


@transaction.atomic
def answer_question(*, annotator: Annotator, trait: str, value: float | None) -> None:
    """Keep the answer; None passes the question over, for good. Asking is once: the same answer again changes nothing.

    Raises ``Invalid`` for an unknown trait or answer, ``Conflict`` where another answer or a correction stands already.
    """
    if trait not in TRAITS:
        given = {"trait": trait[:60], "known": ", ".join(TRAITS)}
        raise Invalid(_("“%(trait)s” is no trait; expected one of %(known)s.") % given, fields={"trait": "unknown"})
    if value is not None and value not in STEPS:
        given = {"value": f"{value:g}", "known": ", ".join(f"{step:g}" for step in STEPS)}
        raise Invalid(_("“%(value)s” is no answer; expected one of %(known)s.") % given, fields={"value": "unknown"})
    Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)
    last = TraitStatement.objects.filter(annotator=annotator, trait=trait).order_by("-id").first()
    if last is None:
        TraitStatement.objects.create(annotator=annotator, trait=trait, value=value, asked=True)
    elif not last.asked or last.value != value:
        raise Conflict(_("You have answered this before. Your profile shows what stands, and lets you correct it."))


def _best_pair(annotator: Annotator, model: RewardModel, served: ServedVersion, latent: Latent) -> float | None:
    """The most that one of the pairs lent to the annotator tells, in nats; None where the model knows none of them."""
    lent = Assignment.objects.filter(annotator=annotator, state=Assignment.State.OPEN, pair__isnull=False)
    ids = list(lent.values_list("pair__response_a", "pair__response_b"))
    if not ids:
        return None
    items, known = items_by_row(model=model, served=served, ids=[a for a, _b in ids] + [b for _a, b in ids])
    both = known[: len(ids)] & known[len(ids) :]
    if not both.any():
        return None
    with usable(served):
        mean, variance = model.margin(latent, items[: len(ids)][both], items[len(ids) :][both])
    return float(np.max(gain(mean, variance)))


def _seconds(annotator: Annotator) -> float:
    """What a pair takes this person: the median of the latest."""
    said = Judgment.objects.filter(annotator=annotator, current=True, seconds__gt=0, pair__isnull=False)
    lately = [took for took in said.order_by("-pk").values_list("seconds", flat=True)[:LATELY] if took is not None]
    return float(median(lately)) if lately else PAIR_SECONDS
