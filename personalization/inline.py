"""Judgments that come with a request, to adapt to; nothing of them is stored. Their reasons count as those of stored ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from annotator.errors import Invalid
from annotator.models import Project
from annotator.services.answers import tags_problem
from attune.data import Choice
from attune.rewards.base import Array, Comparison
from attune.rewards.reasons import SIDES, spoken
from personalization.scorer.wire import Text


@dataclass(frozen=True, slots=True)
class ReasonTag:
    """A reason tag of the project put on one response, as good or bad there."""

    tag: str
    side: Literal["a", "b"]
    good: bool


@dataclass(frozen=True, slots=True)
class InlineJudgment:
    """What somebody said of two responses, and why: tags and words."""

    prompt: str
    response_a: str
    response_b: str
    choice: Choice
    strength: int | None = None
    swapped: bool = False
    tags: tuple[ReasonTag, ...] = ()
    rationale: str = ""

    @property
    def texts(self) -> tuple[Text, Text]:
        """Both responses with their prompt."""
        return (self.prompt, self.response_a), (self.prompt, self.response_b)

    def comparison(self, item_a: Array, item_b: Array) -> Comparison:
        """As the models take it in."""
        tags = [f"{each.side}{'+' if each.good else '-'}{each.tag}" for each in self.tags]
        reason = spoken(self.choice, tags, self.rationale)
        return Comparison(item_a, item_b, self.choice, self.strength, self.swapped, reason=reason)


def check_tags(project: Project, context: Sequence[InlineJudgment]) -> None:
    """Raise ``Invalid``, naming each field, unless every tag is one of the project's and is given as it may be."""
    faults = {}
    for index, judgment in enumerate(context):
        said = [(each.tag, each.side, each.good) for each in judgment.tags]
        if problem := tags_problem(said, project, SIDES):
            faults[f"context[{index}].tags"] = problem
    if faults:
        raise Invalid(" ".join(faults.values()), fields=faults)
