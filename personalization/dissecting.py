"""What moves one person, in named traits: from their own choices, beside everybody's and machine annotators'."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from annotator.models import Response
from annotator.selectors import evidence
from attune.dissection import Dissection, Effect, effects
from attune.encoders import style_columns
from attune.errors import ArtifactError
from attune.logistic import Gaussian
from attune.rewards.indexing import OUTCOMES
from attune.rewards.strengths import STRENGTH_WEIGHTS
from attune.rewards.traits import trait_rows
from attune.style_features import style_vector
from personalization.charts import Whisk, whisk
from personalization.statements import latest_statements
from personalization.traits import RAIL, Trait
from training.models import ModelVersion, TextVector
from training.serving import ServedVersion

Array = NDArray[np.float32]

AS_EVERYBODY = 0.1
LATEST = 1_000
"""Judgments, the latest of a person, that a page looks at."""


@dataclass(frozen=True, slots=True)
class Dissected:
    """One trait of a person: what their judgments alone say, what they say themselves, and what moves others.

    ``own``, ``group`` and ``machines`` are effects in log-odds for one standard deviation of the trait.
    """

    trait: Trait
    own: Effect
    group: Effect
    machines: Effect | None
    stated: float | None
    stated_at: datetime | None

    @property
    def ring(self) -> float:
        """Where the ring stands that can be moved: what was said, or else the estimate; −1.5 to 1.5."""
        return max(-RAIL, min(RAIL, self.trait.estimate if self.stated is None else self.stated))

    @property
    def ring_at(self) -> float:
        """The ring on a rail from 0 to 100."""
        return whisk(self.ring, self.ring, self.ring, -RAIL, RAIL).at

    @property
    def in_words(self) -> str:
        """What was said: “clearly concise”, “somewhat warm”, “as everybody”."""
        said = self.said
        if said is None or abs(said.estimate) < AS_EVERYBODY:
            return _("as everybody")
        words = _("clearly %(pole)s") if said.strong else _("somewhat %(pole)s")
        return words % {"pole": said.leaning}

    @property
    def said(self) -> Trait | None:
        """What was said, as a trait that is certain."""
        return None if self.stated is None else Trait(self.trait.name, self.stated, self.stated, self.stated)

    @property
    def whisk(self) -> Whisk:
        return whisk(self.trait.estimate, self.trait.low, self.trait.high, -RAIL, RAIL)


def dissected(*, annotator_id: int, served: ServedVersion) -> list[Dissected]:
    """The person's traits, in order; empty where the version has no dissection or nothing of theirs can be looked at."""
    found = dissection_of(served.id)
    if found is None:
        return []
    posterior = _posterior(found, annotator_id)
    if posterior is None:
        return []
    rows = trait_rows(
        (posterior.mean - found.people.mean).astype(np.float32),
        np.sqrt(np.diag(posterior.cov)).astype(np.float32),
        np.sqrt(np.diag(found.people.cov)).astype(np.float32),
    )
    said = {each.trait: each for each in latest_statements(annotator_id) if each.value is not None}
    own, group, machines = effects(posterior.mean, posterior.cov), found.group(), found.machine_group()
    return [
        Dissected(
            Trait(name, round(estimate, 4), round(low, 4), round(high, 4)),
            own[number],
            group[number],
            machines[number] if machines else None,
            said[name].value if name in said else None,
            said[name].created_at if name in said else None,
        )
        for number, (name, estimate, low, high) in enumerate(rows)
    ]


@lru_cache(maxsize=64)
def dissection_of(version_id: int) -> Dissection | None:
    """A version's dissection; None where it has none. It never changes, and is kept."""
    stored = ModelVersion.objects.filter(pk=version_id).values_list("dissection", flat=True).first()
    if not stored:
        return None
    try:
        return Dissection.from_json(stored)
    except ArtifactError:  # fitted by another version of the program: the page does without
        return None


def _posterior(found: Dissection, annotator_id: int) -> Gaussian | None:
    """None where the person has no judgment that could be looked at."""
    judged = [each for each in evidence.standing(annotator_id) if each.counts and each.choice in ("a", "b")][-LATEST:]
    styles = _styles({pk for each in judged for pk in (each.response_a_id, each.response_b_id)})
    judged = [each for each in judged if each.response_a_id in styles and each.response_b_id in styles]
    if not judged:
        return None
    return found.of(
        np.stack([styles[each.response_a_id] for each in judged]),
        np.stack([styles[each.response_b_id] for each in judged]),
        np.array([OUTCOMES[each.choice] for each in judged]),
        np.array([STRENGTH_WEIGHTS[each.strength] * each.weight for each in judged]),
    )


def _styles(ids: set[int]) -> dict[int, Array]:
    """Style vectors of responses: from stored vectors that hold them, else made now. One query."""
    columns = {name: style_columns(name) for name in ("style", "minilm+style")}
    kept = TextVector.objects.filter(digest=OuterRef("digest"))
    rows = (
        Response.objects.filter(pk__in=ids)
        .annotate(
            style=Subquery(kept.filter(encoder="style").values("vector")[:1]),
            both=Subquery(kept.filter(encoder="minilm+style").values("vector")[:1]),
        )
        .values_list("pk", "text", "style", "both")
    )
    found = {}
    for pk, text, style, both in rows:
        vector, encoder = (style, "style") if style is not None else (both, "minilm+style")
        part = columns[encoder]
        found[pk] = style_vector(text) if vector is None or part is None else np.frombuffer(vector, "<f4")[part]
    return found
