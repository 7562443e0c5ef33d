"""JSON Schema of the routes of ``api.rewards`` for the OpenAPI document; ``api.reading`` is the code that checks."""

from __future__ import annotations

from typing import Any, get_args

from drf_spectacular.utils import OpenApiExample

from attune.rewards.aggregates import UWO_PENALTY, Across, Aggregate
from personalization.api.parsing import MAX_COMPLETIONS
from personalization.api.reading import MAX_GROUPS, MAX_PAIRS, MAX_QUESTIONS, MAX_USERS
from personalization.api.schemas import COMPLETION, EXPLANATION, PROMPT, REF, SCORE_REQUEST, Schema, object_of
from personalization.scoring import Normalize
from personalization.voices import Over

NUMBER: Schema = {"type": "number"}
NUMBERS: Schema = {"type": "array", "items": NUMBER}
INTEGER: Schema = {"type": "integer"}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
USERS: Schema = {"type": "array", "minItems": 1, "maxItems": MAX_USERS, "uniqueItems": True, "items": NAME}
COMPLETIONS: Schema = {"type": "array", "minItems": 1, "maxItems": MAX_COMPLETIONS, "items": COMPLETION}
FIRST: Schema = NUMBER | {"description": "The chance that it is the best: over uncertainty, or the share of people."}

_SCALE: dict[str, Schema] = {
    "project": {"type": "string", "description": "The project's slug."},
    "model": REF | {"description": "A version to pin, such as hybrid@3; null is the live one."},
    "normalize": {"type": "string", "enum": list(get_args(Normalize)), "default": "none"},
    "aggregate": {
        "type": "string",
        "enum": list(get_args(Aggregate)),
        "default": "mean",
        "description": "How an ensemble's members become one reward: their mean, the least (wco), or mean − penalty × variance (uwo).",
    },
    "penalty": {"type": "number", "minimum": 0, "maximum": 100, "default": UWO_PENALTY, "description": "For uwo."},
}
POPULATION: Schema = object_of(
    {
        "over": {"type": "string", "enum": list(get_args(Over)), "description": "annotators: all who have judged."},
        "users": USERS,
        "how": {"type": "string", "enum": list(get_args(Across)), "default": "mean"},
        "group_by": NAME | {"description": "A name in what the project keeps about its annotators."},
        "groups": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_GROUPS,
            "additionalProperties": USERS,
            "description": "Lists of references by name of group.",
        },
        "simulated": {"type": ["boolean", "null"], "description": "false leaves simulated annotators out."},
    },
    [],
)
_WHO: dict[str, Schema] = {
    "user": REF | {"description": "Whose rewards: an annotator's reference; null is everybody's."},
    "context": SCORE_REQUEST["properties"]["context"],
    "population": POPULATION | {"description": "Many people as one, in place of user and context."},
}
_QUESTION: dict[str, Schema] = {"prompt": PROMPT, "completions": COMPLETIONS}
_ITEMS: Schema = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_QUESTIONS,
    "items": object_of({**_QUESTION, "user": REF}, ["prompt", "completions"]),
}
_VOICE: dict[str, Schema] = {"user": REF, "n_judgments": INTEGER, "fallback": {"type": "boolean"}}


def _request(properties: dict[str, Schema], required: list[str]) -> Schema:
    return object_of(properties, ["project", *required])


def _response(row: Schema, more: dict[str, Schema] | None = None) -> Schema:
    properties: dict[str, Schema] = {
        "id": {"type": "string"},
        "object": {"type": "string", "enum": ["list"]},
        "created": INTEGER | {"description": "Seconds since 1970."},
        "model": {"type": "string"},
        "data": {"type": "array", "items": row},
        "usage": object_of({"encoded": INTEGER, "voices": INTEGER}, ["encoded", "voices"]),
    }
    return object_of(properties | (more or {}), list(properties))


def _row(kind: str, properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    every: dict[str, Schema] = {"index": INTEGER, "object": {"type": "string", "enum": [kind]}} | properties
    return object_of(every, [name for name in every if name not in optional])


_PEOPLE: dict[str, Schema] = {
    "personalization": {"type": "array", "items": object_of(_VOICE, list(_VOICE))},
    "population": object_of(
        {"how": {"type": "string"}, "people": INTEGER, "simulated": INTEGER}, ["how", "people", "simulated"]
    ),
}
BATCH_REQUEST = _request(
    {
        **_SCALE,
        "items": _ITEMS,
        "users": USERS | {"items": REF, "description": "Score all items for each; null among them is everybody."},
    },
    ["items"],
)
BATCH_RESPONSE = _response(
    _row(
        "scores",
        {
            "cached": {"type": "array", "items": {"type": "boolean"}},
            "rewards": {
                "type": "array",
                "items": object_of({**_VOICE, "scores": NUMBERS, "stds": NUMBERS}, [*_VOICE, "scores", "stds"]),
            },
        },
    )
)
RANK_REQUEST = _request(
    {
        **_SCALE,
        **_WHO,
        **_QUESTION,
        "top_n": {"type": ["integer", "null"], "minimum": 1},
        "explain": {"type": "boolean", "default": False},
    },
    ["prompt", "completions"],
)
RANK_RESPONSE = _response(
    _row("place", {"rank": INTEGER, "score": NUMBER, "std": NUMBER, "first": FIRST, "cached": {"type": "boolean"}}),
    {**_PEOPLE, "explanation": EXPLANATION},
)
BEST_REQUEST = _request({**_SCALE, "user": _WHO["user"], "population": POPULATION, "items": _ITEMS}, ["items"])
BEST_RESPONSE = _response(
    _row(
        "best",
        {
            "best": INTEGER | {"description": "The best completion's index."},
            "completion": {"type": "string"},
            "score": NUMBER,
            "std": NUMBER,
            "first": FIRST,
            "scores": NUMBERS,
        },
    ),
    _PEOPLE,
)
POPULATION_REQUEST = _request(
    {**_SCALE, **_QUESTION, "population": POPULATION | {"description": "All who have judged, unless given."}},
    ["prompt", "completions"],
)
POPULATION_RESPONSE = _response(
    _row(
        "score",
        {
            "score": NUMBER,
            "std": NUMBER,
            "spread": NUMBER | {"description": "Standard deviation over people."},
            "lowest": object_of({"user": {"type": "string"}, "score": NUMBER}, ["user", "score"]),
            "cached": {"type": "boolean"},
        },
    ),
    {
        **_PEOPLE,
        "groups": {
            "type": "array",
            "items": object_of(
                {"group": {"type": "string"}, "n": INTEGER, "scores": NUMBERS, "stds": NUMBERS},
                ["group", "n", "scores", "stds"],
            ),
        },
    },
)
_SIDES: dict[str, Schema] = {"prompt": PROMPT, "response_a": COMPLETION, "response_b": COMPLETION}
COMPARE_REQUEST = _request(
    {
        "project": _SCALE["project"],
        "model": _SCALE["model"],
        **_WHO,
        **_SIDES,
        "pairs": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_PAIRS,
            "items": object_of(_SIDES, list(_SIDES)),
            "description": "In place of prompt, response_a and response_b.",
        },
    },
    [],
)
COMPARE_RESPONSE = _response(
    _row(
        "preference",
        {
            "probability": NUMBER | {"description": "P(a ≻ b), ties aside."},
            "margin": NUMBER | {"description": "reward(a) − reward(b)."},
            "std": NUMBER | {"description": "Of the margin."},
            "tie": {"type": ["number", "null"], "description": "P(tie); null where the model knows none."},
            "distribution": object_of(
                {
                    "std": NUMBER,
                    "prefer_a": NUMBER | {"description": "Share of people for whom a is likelier."},
                    "quantiles": {"type": "object", "additionalProperties": NUMBER},
                },
                ["std", "prefer_a", "quantiles"],
                "Of people's probabilities; with a population only.",
            ),
        },
        optional=("distribution",),
    ),
    _PEOPLE,
)
_EXAMPLE: dict[str, Any] = {
    "project": "everyday",
    "users": ["p-17", "p-18", None],
    "items": [{"prompt": "How long do I boil an egg?", "completions": ["Eight minutes.", "That depends …"]}],
}
BATCH_EXAMPLES = [OpenApiExample("Two people and everybody", value=_EXAMPLE, request_only=True)]
