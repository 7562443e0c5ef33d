"""Why one response before another, for one person: their traits, and which of their own judgments moved this most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from annotator.models import Judgment
from annotator.selectors import evidence
from attune.rewards.base import Comparison
from personalization.contexts import comparison_of
from personalization.items import items_of_responses, usable
from personalization.panels import Texts, Who, texts_of, voices_for
from personalization.traits import Trait, traits_of
from personalization.voices import Asker, Voice

Array = NDArray[np.float32]

TRIED = 24
"""Judgments left out one by one; those whose difference lies closest to the one explained."""
SHOWN = 5
LEAST_MOVE = 1e-4


@dataclass(frozen=True, slots=True)
class Influence:
    """A judgment of the person's own; without it the margin would be smaller by ``moved`` (negative: larger)."""

    judgment_id: int
    prompt: str
    choice: str
    moved: float
    tags: list[str]
    rationale: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of the margin of the first of two completions (by index) over the second.

    ``traits`` are those in which the person is known to differ from others; ``tags`` the reasons they gave, with how
    often, in the judgments shown.
    """

    first: int
    second: int
    margin: float
    std: float
    traits: list[Trait]
    judgments: list[Influence]
    tags: list[tuple[str, int]] = field(default_factory=list)


def explain_first(
    *, asker: Asker, model: str | None, prompt: str, completions: Sequence[str], order: Sequence[int], who: Who
) -> Explanation | None:
    """Why the first of the ``order`` (completions by index, best first) comes before the second; None where there is one only."""
    if len(order) < 2:
        return None
    texts = texts_of(asker=asker, model=model, texts=[(prompt, text) for text in completions], context=who.context)
    voice = voices_for(asker, texts, who)[0]
    return explain(texts, voice, prompt=prompt, completions=completions, first=order[0], second=order[1])


def explain(
    texts: Texts, voice: Voice, *, prompt: str, completions: Sequence[str], first: int, second: int
) -> Explanation:
    """Why ``first`` before ``second``. The influence of a judgment is exact: the latent is adapted again without it.

    Only the person's stored judgments are tried, not those that came with the request, and none under a slow model.
    """
    pair = texts.items(prompt, [completions[first], completions[second]])
    with usable(texts.served):
        mean, variance = texts.model.margin(voice.latent, pair[:1], pair[1:])
        annotator_id = voice.annotator_id if texts.model.quick else None
        influences = [] if annotator_id is None else _influences(texts, annotator_id, pair, float(mean[0]))
    shown = _described(influences)
    tags = Counter(tag for each in shown for tag in each.tags)
    known = sorted(
        (each for each in traits_of(texts.served, voice.latent) if each.known), key=lambda t: -abs(t.estimate)
    )
    return Explanation(first, second, float(mean[0]), float(np.sqrt(variance[0])), known, shown, tags.most_common())


def _influences(texts: Texts, annotator_id: int, pair: Array, margin: float) -> list[tuple[int, float]]:
    """(judgment, how much it moved the margin), the largest first."""
    judged = [each for each in evidence.standing(annotator_id) if each.counts]
    ids = {pk for each in judged for pk in (each.response_a_id, each.response_b_id)}
    items = items_of_responses(model=texts.model, served=texts.served, ids=ids)
    usable_ones = [each for each in judged if each.response_a_id in items and each.response_b_id in items]
    context = [comparison_of(each, items) for each in usable_ones]
    moved = []
    for index in _closest(pair[0] - pair[1], context):
        without = texts.model.adapt(context[:index] + context[index + 1 :])
        change = margin - float(texts.model.margin(without, pair[:1], pair[1:])[0][0])
        moved.append((usable_ones[index].judgment_id, change))
    moved = [(pk, change) for pk, change in moved if abs(change) >= LEAST_MOVE]
    return sorted(moved, key=lambda each: -abs(each[1]))[:SHOWN]


def _closest(direction: Array, context: Sequence[Comparison]) -> list[int]:
    """The judgments whose difference of items is most along (or against) a direction, by index."""
    if not context:
        return []
    differences = np.stack([each.item_a - each.item_b for each in context])
    along = np.abs(differences @ direction)
    return [int(index) for index in np.argsort(-along, kind="stable")[:TRIED]]


def _described(influences: Sequence[tuple[int, float]]) -> list[Influence]:
    rows = Judgment.objects.filter(pk__in=[pk for pk, _ in influences]).select_related("pair__prompt", "rationale")
    found = {row.pk: row for row in rows.defer("pair__prompt__text", "pair__prompt__messages")}
    described = []
    for pk, moved in influences:
        row = found[pk]
        rationale = getattr(row, "rationale", None)
        tags = [tag["tag"] for tag in rationale.tags] if rationale else []
        prompt = row.pair.prompt.ref if row.pair else ""
        described.append(Influence(pk, prompt, row.choice, moved, tags, rationale.text if rationale else ""))
    return described
