"""What the API takes and gives, as JSON Schema for the OpenAPI document. The code that checks it is in ``api.parsing`` and ``api.reading``."""

from __future__ import annotations

from typing import Any, get_args

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from annotator.api import openapi
from annotator.models.content import MAX_TEXT
from annotator.services.answers import MAX_RATIONALE
from attune.data import CHOICES
from attune.rewards.aggregates import Aggregate
from personalization.api.fields import ROLES
from personalization.api.parsing import MAX_COMPLETIONS, MAX_CONTEXT, MAX_TAGS
from personalization.scoring import Normalize

Schema = dict[str, Any]


def object_of(properties: dict[str, Schema], required: list[str], description: str = "") -> Schema:
    described = {"description": description} if description else {}
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **described,
    }


def _messages(roles: tuple[str, ...], most: int) -> Schema:
    content: dict[str, Schema] = {"role": {"type": "string", "enum": list(roles)}, "content": {"type": "string"}}
    return {"type": "array", "minItems": 1, "maxItems": most, "items": object_of(content, ["role", "content"])}


TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
PROMPT: Schema = {"oneOf": [TEXT, _messages(ROLES, 200)], "description": "A text, or the conversation so far."}
COMPLETION: Schema = {"oneOf": [TEXT, _messages(("assistant",), 1)]}
REF: Schema = {"type": ["string", "null"], "maxLength": 200}

REASON_TAG = object_of(
    {
        "tag": {"type": "string", "description": "Key of one of the project's reason tags."},
        "side": {
            "type": "string",
            "enum": ["a", "b"],
            "description": "response_a or response_b, wherever it was shown.",
        },
        "good": {"type": "boolean", "description": "Whether it speaks for that response or against it."},
    },
    ["tag", "side", "good"],
)
INLINE_JUDGMENT = object_of(
    {
        "prompt": PROMPT | {"description": "Of this judgment; the request's prompt where it is absent."},
        "response_a": COMPLETION,
        "response_b": COMPLETION,
        "choice": {"type": "string", "enum": list(CHOICES)},
        "strength": {"type": ["integer", "null"], "minimum": 1, "maximum": 3},
        "swapped": {"type": "boolean", "default": False, "description": "response_b was shown on the left."},
        "tags": {
            "type": "array",
            "maxItems": MAX_TAGS,
            "items": REASON_TAG,
            "description": "Why; models that read reasons count them.",
        },
        "rationale": {"type": "string", "maxLength": MAX_RATIONALE, "description": "Why, in words."},
    },
    ["response_a", "response_b", "choice"],
)
SCORE_REQUEST = object_of(
    {
        "project": {"type": "string", "description": "The project's slug."},
        "model": REF | {"description": "A version to pin, such as hybrid@3; null is the live one."},
        "user": REF | {"description": "Whose rewards: an annotator's reference; null is everybody's."},
        "prompt": PROMPT,
        "completions": {"type": "array", "minItems": 1, "maxItems": MAX_COMPLETIONS, "items": COMPLETION},
        "context": {
            "type": ["array", "null"],
            "maxItems": MAX_CONTEXT,
            "items": INLINE_JUDGMENT,
            "description": "Judgments to adapt to, beside the user's own; nothing of them is stored.",
        },
        "normalize": {"type": "string", "enum": list(get_args(Normalize)), "default": "none"},
        "aggregate": {"type": "string", "enum": list(get_args(Aggregate)), "default": "mean"},
        "explain": {
            "type": "boolean",
            "default": False,
            "description": "Why the best of them comes before the second best for this person.",
        },
    },
    ["project", "prompt", "completions"],
)
_SCORE = object_of(
    {
        "index": {"type": "integer"},
        "object": {"type": "string", "enum": ["score"]},
        "score": {"type": "number", "description": "Comparable within one prompt, model version and user."},
        "std": {"type": "number", "description": "Standard deviation of the score, from the user's posterior."},
        "cached": {"type": "boolean", "description": "No text had to be encoded for it."},
    },
    ["index", "object", "score", "std", "cached"],
)
TRAIT = object_of(
    {
        "trait": {"type": "string", "description": "Its two poles: concise–detailed."},
        "estimate": {"type": "number", "description": "Against the community; ±1 is a strong taste for a pole."},
        "low": {"type": "number", "description": "Lower end of the 80 % interval."},
        "high": {"type": "number"},
    },
    ["trait", "estimate", "low", "high"],
)
_INFLUENCE = object_of(
    {
        "judgment_id": {"type": "integer"},
        "prompt": {"type": "string"},
        "choice": {"type": "string"},
        "moved": {"type": "number", "description": "By so much the margin would be smaller without it."},
        "tags": {"type": "array", "items": {"type": "string"}},
        "rationale": {"type": "string"},
    },
    ["judgment_id", "prompt", "choice", "moved", "tags", "rationale"],
)
EXPLANATION = object_of(
    {
        "first": {"type": "integer"},
        "second": {"type": "integer"},
        "margin": {"type": "number"},
        "std": {"type": "number"},
        "traits": {"type": "array", "items": TRAIT},
        "judgments": {"type": "array", "items": _INFLUENCE},
        "tags": {
            "type": "array",
            "items": object_of({"tag": {"type": "string"}, "count": {"type": "integer"}}, ["tag", "count"]),
        },
    },
    ["first", "second", "margin", "std", "traits", "judgments", "tags"],
    "Why the first comes before the second.",
)
EXPLANATION["type"] = ["object", "null"]  # null where there is nothing to compare
SCORE_RESPONSE = object_of(
    {
        "id": {"type": "string"},
        "object": {"type": "string", "enum": ["list"]},
        "created": {"type": "integer", "description": "Seconds since 1970."},
        "model": {"type": "string"},
        "user": REF,
        "data": {"type": "array", "items": _SCORE},
        "usage": object_of(
            {"completions": {"type": "integer"}, "encoded": {"type": "integer"}}, ["completions", "encoded"]
        ),
        "personalization": object_of(
            {"n_judgments": {"type": "integer"}, "fallback": {"type": "boolean"}}, ["n_judgments", "fallback"]
        ),
        "explanation": EXPLANATION,
    },
    ["id", "object", "created", "model", "user", "data", "usage", "personalization"],
)
ANNOTATOR = object_of(
    {
        "ref": {"type": "string"},
        "name": {"type": "string"},
        "simulated": {"type": "boolean", "description": "A program, not a person."},
        "model": {"type": ["string", "null"], "description": "The version the rest is under; null before the first."},
        "n_judgments": {"type": "integer", "description": "Judgments that went into the latent."},
        "fallback": {"type": "boolean", "description": "Nothing personal yet: rewards are everybody's."},
        "updated_at": {"type": ["string", "null"], "format": "date-time"},
        "traits": {"type": "array", "items": TRAIT},
    },
    ["ref", "name", "simulated", "model", "n_judgments", "fallback", "updated_at", "traits"],
)
ANNOTATOR_ROW = object_of(
    {name: ANNOTATOR["properties"][name] for name in ("ref", "name", "simulated")}
    | {"judgments": {"type": "integer", "description": "Judgments that stand."}},
    ["ref", "name", "simulated", "judgments"],
)
ANNOTATOR_PAGE = object_of(
    {
        "next": {"type": ["string", "null"], "format": "uri"},
        "previous": {"type": ["string", "null"], "format": "uri"},
        "results": {"type": "array", "items": ANNOTATOR_ROW},
    },
    ["next", "previous", "results"],
)
SCORE_EXAMPLES = [
    OpenApiExample(
        "Two completions for one person",
        value={
            "project": "everyday",
            "user": "p-17",
            "prompt": "How do I get a red wine stain out of a shirt?",
            "completions": ["Cold water and salt, at once.", "Do not worry! First, blot it gently …"],
        },
        request_only=True,
    )
]


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """Error answers as the annotator app describes them, with the two that only scoring has."""
    own = {429: "The scorer has too much to do; see Retry-After.", 503: "No scorer, or a model that can't be used."}
    shared = openapi.problems(*(status for status in statuses if status not in own))
    return shared | {
        (status, "application/problem+json"): OpenApiResponse(openapi.PROBLEM, description=own[status])
        for status in statuses
        if status in own
    }
