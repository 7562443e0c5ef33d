"""Reading the body of ``POST /api/v1/score``."""

from __future__ import annotations

from typing import Literal, get_args

from annotator.services.answers import MAX_RATIONALE
from attune.data import CHOICES
from attune.rewards.aggregates import Aggregate
from personalization.api.fields import (
    Fields,
    Wrong,
    as_flag,
    as_name,
    as_name_or_null,
    as_object,
    as_one_of,
    as_prompt,
    as_response,
    as_said,
    as_strength,
    refuse,
)
from personalization.inline import InlineJudgment, ReasonTag
from personalization.scoring import Normalize, ScoreRequest

MAX_COMPLETIONS = 1024
MAX_CONTEXT = 256
FIELDS = ("project", "model", "user", "prompt", "completions", "context", "normalize", "aggregate", "explain")
CONTEXT_FIELDS = ("prompt", "response_a", "response_b", "choice", "strength", "swapped", "tags", "rationale")
TAG_FIELDS = ("tag", "side", "good")
MAX_TAGS = 64
"""On one judgment."""


def parse_score_request(body: object) -> tuple[str, ScoreRequest]:
    """The project's slug and the request, from parsed JSON. Raises ``Invalid`` with one reason per wrong field."""
    faults: dict[str, str] = {}
    fields = Fields(as_object(body), faults)
    fields.refuse_others(FIELDS)
    fields.require("project", "prompt", "completions")
    project = fields.read("project", as_name, "")
    prompt = fields.read("prompt", as_prompt, "")
    request = ScoreRequest(
        prompt=prompt,
        completions=read_completions(fields),
        user=fields.read("user", as_name_or_null, None),
        model=fields.read("model", as_name_or_null, None),
        context=read_context(fields, prompt),
        normalize=fields.read("normalize", lambda value: as_one_of(value, get_args(Normalize)), "none"),
        aggregate=fields.read("aggregate", lambda value: as_one_of(value, get_args(Aggregate)), "mean"),
        explain=fields.read("explain", as_flag, False),
    )
    refuse(faults)
    return project, request


def read_completions(fields: Fields) -> tuple[str, ...]:
    """The field ``completions``: 1 to ``MAX_COMPLETIONS`` texts."""
    given = fields.given.get("completions", ())
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_COMPLETIONS:
        fields.faults.setdefault(
            f"{fields.path}completions", f"must be a list of 1 to {MAX_COMPLETIONS} texts or messages"
        )
        return ()
    texts = []
    for index, each in enumerate(given):
        try:
            texts.append(as_response(each))
        except Wrong as wrong:
            fields.faults[f"{fields.path}completions[{index}]"] = str(wrong)
    return tuple(texts)


def read_context(fields: Fields, prompt: str) -> tuple[InlineJudgment, ...]:
    """The field ``context``: judgments to adapt to, of ``prompt`` unless they name another."""
    given = fields.given.get("context")
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > MAX_CONTEXT:
        fields.faults[f"{fields.path}context"] = f"must be a list of at most {MAX_CONTEXT} judgments"
        return ()
    return tuple(
        _inline_judgment(each, f"{fields.path}context[{index}].", fields.faults, prompt)
        for index, each in enumerate(given)
    )


def _inline_judgment(given: object, path: str, faults: dict[str, str], prompt: str) -> InlineJudgment:
    if not isinstance(given, dict):
        faults[path.rstrip(".")] = "must be an object"
        return InlineJudgment("", "", "", "tie")
    fields = Fields(given, faults, path)
    fields.refuse_others(CONTEXT_FIELDS)
    fields.require("response_a", "response_b", "choice")
    judgment = InlineJudgment(
        prompt=fields.read("prompt", as_prompt, prompt),
        response_a=fields.read("response_a", as_response, ""),
        response_b=fields.read("response_b", as_response, ""),
        choice=fields.read("choice", lambda value: as_one_of(value, CHOICES), "tie"),
        strength=fields.read("strength", as_strength, None),
        swapped=fields.read("swapped", as_flag, False),
        tags=_tags(fields),
        rationale=fields.read("rationale", lambda value: as_said(value, MAX_RATIONALE), ""),
    )
    if judgment.strength and judgment.choice not in ("a", "b"):
        faults.setdefault(f"{path}strength", "only goes with the choice a or b")
    if judgment.response_a == judgment.response_b:
        faults.setdefault(f"{path}response_b", "is the same text as response_a")
    return judgment


def _tags(fields: Fields) -> tuple[ReasonTag, ...]:
    given = fields.given.get("tags", [])
    if not isinstance(given, list) or len(given) > MAX_TAGS:
        fields.faults[f"{fields.path}tags"] = f"must be a list of at most {MAX_TAGS} tags"
        return ()
    return tuple(_tag(each, f"{fields.path}tags[{index}].", fields.faults) for index, each in enumerate(given))


def _tag(given: object, path: str, faults: dict[str, str]) -> ReasonTag:
    sides: tuple[Literal["a", "b"], ...] = ("a", "b")
    if not isinstance(given, dict):
        faults[path.rstrip(".")] = "must be an object"
        return ReasonTag("", "a", True)
    fields = Fields(given, faults, path)
    fields.refuse_others(TAG_FIELDS)
    fields.require(*TAG_FIELDS)
    return ReasonTag(
        tag=fields.read("tag", as_name, ""),
        side=fields.read("side", lambda value: as_one_of(value, sides), "a"),
        good=fields.read("good", as_flag, True),
    )
