"""What is sent of a person with a request: judgments to adapt to, and why they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict


class ReasonTag(TypedDict):
    """One of the project's reason tags on a response, as good or bad there."""

    tag: str
    side: Literal["a", "b"]
    good: bool


class InlineJudgment(TypedDict):
    """A judgment of two texts, to adapt to; nothing of it is stored. ``prompt``: the request's where it is absent. ``tags`` and
    ``rationale`` say why, which models that read reasons count."""

    prompt: NotRequired[str | Sequence[Mapping[str, str]]]
    response_a: str | Sequence[Mapping[str, str]]
    response_b: str | Sequence[Mapping[str, str]]
    choice: Literal["a", "b", "tie", "both_good", "both_bad"]
    strength: NotRequired[int | None]
    swapped: NotRequired[bool]
    tags: NotRequired[Sequence[ReasonTag]]
    rationale: NotRequired[str]


Context = Sequence[InlineJudgment] | Sequence[Mapping[str, Any]]
