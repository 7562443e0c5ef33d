"""An annotator's judgments as a policy's prompt shows them."""

from __future__ import annotations

from annotator.models import HINDSIGHT, Annotator
from attune.fspo.prompts import Shot
from attune.policies.examples import conversation_of
from training.snapshots import usable_judgments


def shots_of_annotator(annotator: Annotator, most: int) -> list[Shot]:
    """The last ``most`` pairs of words of which they preferred one response, oldest first; of what models may learn from. One query."""
    rows = usable_judgments(annotator.project).filter(annotator=annotator, choice__in=("a", "b"), pair__isnull=False)
    rows = rows.filter(pair__response_a__picture=None, pair__response_b__picture=None, occasion__in=(0, HINDSIGHT))
    rows = rows.select_related("pair__prompt", "pair__response_a", "pair__response_b").order_by("-pk")[:most]
    found = []
    for each in reversed(rows):
        assert each.pair is not None  # filtered
        texts = each.pair.response_a.text, each.pair.response_b.text
        question = conversation_of(each.pair.prompt.text)[-1]["content"]
        found.append(Shot(question, *(texts if each.choice == "a" else texts[::-1])))
    return found
