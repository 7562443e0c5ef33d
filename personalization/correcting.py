"""What a correction of one's traits would change, shown before it is kept. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from annotator.models import Annotator, Prompt, Response
from attune.rewards.corrections import Word
from personalization.charts import Z80, Whisk, whisk
from personalization.contexts import context_of
from personalization.items import items_of_responses, load, usable
from personalization.scoring import scaled
from personalization.statements import stated_by, with_stated
from training.serving import ServedVersion

MOST_RESPONSES = 4
PROMPTS_TRIED = 20


@dataclass(frozen=True, slots=True)
class Moved:
    """A response in the order that it would have: its place then, its place now, and its percentile then."""

    place: int
    was: int
    text: str
    score: int
    whisk: Whisk


@dataclass(frozen=True, slots=True)
class Preview:
    """One prompt's responses as they would be ranked; ``changes`` says how many traits are proposed to move."""

    prompt: str
    moved: list[Moved]
    changes: int

    @property
    def same(self) -> bool:
        """The order stays."""
        return all(each.place == each.was for each in self.moved)


def preview(*, annotator: Annotator, served: ServedVersion, proposed: Mapping[str, float]) -> Preview | None:
    """What the proposed statements would change, on the prompt last judged of which the order changes, if one does.

    None where no prompt has two responses that the model knows, or nothing is proposed.
    """
    if not proposed:
        return None
    model = load(served)
    said = context_of(annotator_id=annotator.pk, model=model, served=served).comparisons
    standing = stated_by(annotator.pk)
    then = standing | {name: Word(value) for name, value in proposed.items()}
    with usable(served):
        before, after = with_stated(model, said, standing), with_stated(model, said, then)
    first: Preview | None = None
    for prompt in _prompts(annotator):
        rows = list(Response.objects.filter(prompt=prompt).order_by("pk")[:MOST_RESPONSES])
        items = items_of_responses(model=model, served=served, ids=[row.pk for row in rows])
        rows = [row for row in rows if row.pk in items]
        if len(rows) < 2:
            continue
        matrix = np.stack([items[row.pk] for row in rows])
        was = np.argsort(-model.score(before, matrix).mean, kind="stable")
        order = np.argsort(-model.score(after, matrix).mean, kind="stable")
        scores = scaled(served=served, latent=after, items=matrix, normalize="percentile")
        moved = [
            Moved(
                place,
                int(np.flatnonzero(was == row)[0]) + 1,
                rows[row].text,
                round(100 * float(scores.mean[row])),
                _whisk(float(scores.mean[row]), float(scores.std[row])),
            )
            for place, row in enumerate(order.tolist(), 1)
        ]
        found = Preview(str(prompt.messages[-1]["content"]), moved, len(proposed))
        if not found.same:
            return found
        first = first or found
    return first


def _prompts(annotator: Annotator) -> list[Prompt]:
    """Prompts that the annotator judged, the latest first, each once."""
    latest = annotator.judgments.filter(current=True, withdrawn=False, pair__isnull=False).order_by("-pk")
    ids = list(dict.fromkeys(latest.values_list("pair__prompt_id", flat=True)[: 5 * PROMPTS_TRIED]))[:PROMPTS_TRIED]
    found = Prompt.objects.in_bulk(ids)
    return [found[pk] for pk in ids]


def _whisk(mean: float, std: float) -> Whisk:
    return whisk(mean, max(0.0, mean - Z80 * std), min(1.0, mean + Z80 * std), 0, 1)
