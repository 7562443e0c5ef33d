"""Context sets: what an annotator has judged, with the items of a version, kept in memory between two judgments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from annotator.selectors import evidence
from annotator.selectors.evidence import Standing
from attune.data import Choice
from attune.recent import Recent
from attune.rewards.base import Array, Comparison, RewardModel
from attune.rewards.context import Context
from attune.rewards.reasons import spoken
from personalization.items import items_of_responses
from training.serving import ServedVersion

IN_MEMORY = 64
"""Context sets that one process keeps."""


@dataclass(frozen=True, slots=True)
class ContextSet:
    """One annotator's judgments under one version; ``unused`` are left out for want of a vector.

    ``signature`` and ``last`` (the highest id) are of all that stands, skipped and withdrawn ones too. ``judgments``: as many
    judgments of pairs as the comparisons are worth.
    """

    signature: str
    last: int
    comparisons: Context = field(default_factory=Context)
    unused: int = 0
    judgments: float = 0.0


_EMPTY = ContextSet("0:0", 0)


def last_known(*, annotator_id: int, served: ServedVersion) -> int | None:
    """The highest id among the judgments that are in memory of the annotator; None if nothing is."""
    known = _sets.get((annotator_id, served.digest))
    return known.last if known else None


def context_of(
    *,
    annotator_id: int,
    model: RewardModel,
    served: ServedVersion,
    signature: str = "",
    added: Sequence[Standing] | None = None,
) -> ContextSet:
    """The annotator's context set as of now.

    ``signature`` is that of their judgments, read before. Where it says that what is in memory has only been added to,
    the additions alone are read, unless they are given; else everything is.
    """
    key = (annotator_id, served.digest)
    known, found = _sets.get(key), None
    if known and signature and not known.unused:
        news = evidence.standing(annotator_id, known.last) if added is None else added
        if not any(each.supersedes for each in news):  # else something known counts no more
            found = _joined(known, news, model, served)
    if found is None or found.signature != signature:
        found = _joined(_EMPTY, evidence.standing(annotator_id), model, served)
    _sets.keep(key, found)
    return found


def _joined(known: ContextSet, standing: Sequence[Standing], model: RewardModel, served: ServedVersion) -> ContextSet:
    """``known``, and all that came after it."""
    judged = [each for each in standing if each.counts]
    items = items_of_responses(
        model=model, served=served, ids={pk for each in judged for pk in (each.response_a_id, each.response_b_id)}
    )
    added = [
        comparison_of(each, items) for each in judged if each.response_a_id in items and each.response_b_id in items
    ]
    return ContextSet(
        evidence.signature_after(known.signature, standing),
        max((known.last, *(each.judgment_id for each in standing))),
        known.comparisons.plus(added),
        known.unused + len(judged) - len(added),
        known.judgments + sum(each.weight for each in added),
    )


def comparison_of(said: Standing, items: Mapping[int, Array]) -> Comparison:
    """A judgment that counts, of responses whose items are there, as the models take it in."""
    return Comparison(
        items[said.response_a_id],
        items[said.response_b_id],
        cast(Choice, said.choice),
        said.strength,
        said.swapped,
        said.weight,
        spoken(said.choice, said.tags, said.rationale),
    )


_sets: Recent[tuple[int, str], ContextSet] = Recent(IN_MEMORY)
"""By annotator and artifact digest."""


def forget(annotator_id: int) -> None:
    """Drop what this process has in memory of an annotator; other processes' goes as others' take its place."""
    _sets.drop(lambda key: key[0] == annotator_id)
