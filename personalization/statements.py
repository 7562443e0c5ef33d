"""What annotators say of their own taste: kept for good, taken back by a later row, and evidence for their model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import Annotator
from attune.rewards.base import Comparison, Latent, RewardModel
from attune.rewards.corrections import ASKED_WORTH, WORTH, Word, as_comparisons
from attune.style_features import TRAITS
from personalization.models import TraitStatement

__all__ = ["FURTHEST", "WORTH", "latest_statements", "state", "stated_by", "with_stated"]

FURTHEST = 1.5
"""Where the rail of a trait's bar ends."""


def stated_by(annotator_id: int) -> dict[str, Word]:
    """What stands, by trait. One query."""
    return {
        each.trait: Word(each.value, ASKED_WORTH if each.asked else WORTH)
        for each in latest_statements(annotator_id)
        if each.value is not None
    }


def latest_statements(annotator_id: int) -> list[TraitStatement]:
    """The latest statement of each trait, those that took an earlier one back too."""
    rows = TraitStatement.objects.filter(annotator=annotator_id).order_by("trait", "-id").distinct("trait")
    return list(rows)


@transaction.atomic
def state(*, annotator: Annotator, values: Mapping[str, float | None]) -> int:
    """Keep what the annotator says of these traits; None takes back what was said. Returns how many were news.

    Raises ``Invalid`` with ``fields`` for an unknown trait or a value that is off the rail.
    """
    fields = {name: problem for name, value in values.items() if (problem := _problem(name, value))}
    if fields:
        raise Invalid(" ".join(fields.values()), fields=fields)
    Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)
    before = stated_by(annotator.pk)
    news = {name: value for name, value in values.items() if value != (before[name].value if name in before else None)}
    for name, value in news.items():
        TraitStatement.objects.create(annotator=annotator, trait=name, value=value)
    return len(news)


def with_stated(model: RewardModel, said: Sequence[Comparison], stated: Mapping[str, Word]) -> Latent:
    """The latent after judgments and statements. It counts the judgments only."""
    latent = model.adapt([*said, *as_comparisons(model, stated)] if stated else said)
    return replace(latent, n=len(said)) if stated else latent


def _problem(name: str, value: float | None) -> str:
    if name not in TRAITS:
        known = {"trait": name[:60], "known": ", ".join(TRAITS)}
        return _("“%(trait)s” is no trait; expected one of %(known)s.") % known
    if value is not None and not -FURTHEST <= value <= FURTHEST:
        known = {"name": name, "value": f"{value:g}", "low": f"{-FURTHEST:g}", "high": f"{FURTHEST:g}"}
        return _("“%(name)s” is %(value)s; expected %(low)s to %(high)s.") % known
    return ""
