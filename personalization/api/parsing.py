"""Reading the body of ``POST /api/v1/score`` by hand: plain checks, every fault named by its field, in one answer.

Nested serializers cost more than the scoring itself here, and this route is called once per training step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import orjson

from annotator.errors import Invalid
from annotator.models.content import MAX_TEXT
from attune.data import CHOICES, flatten_prompt
from personalization.scoring import Aggregate, InlineJudgment, Normalize, ScoreRequest

MAX_COMPLETIONS = 1024
MAX_CONTEXT = 256
MAX_MESSAGES = 200
FIELDS = ("project", "model", "user", "prompt", "completions", "context", "normalize", "aggregate")
CONTEXT_FIELDS = ("prompt", "response_a", "response_b", "choice", "strength", "swapped")
ROLES = ("system", "user", "assistant")

Value = TypeVar("Value")


class Wrong(Exception):
    """One field's fault; ``str`` says what was expected."""


@dataclass(slots=True)
class Fields:
    """The fields of one object, read one by one; faults are collected under ``path`` + name."""

    given: Mapping[str, Any]
    faults: dict[str, str]
    path: str = ""

    def refuse_others(self, known: tuple[str, ...]) -> None:
        for name in self.given:
            if name not in known:
                self.faults[self.path + name] = f"unknown field; known are {', '.join(known)}"

    def read(self, name: str, parse: Callable[[Any], Value], default: Value) -> Value:
        """The parsed value, ``default`` where the field is absent, or (with a fault noted) wrong."""
        try:
            return parse(self.given[name]) if name in self.given else default
        except Wrong as wrong:
            self.faults.setdefault(self.path + name, str(wrong))
            return default

    def require(self, *names: str) -> None:
        for name in names:
            if name not in self.given:
                self.faults.setdefault(self.path + name, "missing")


def parse_score_request(body: bytes) -> tuple[str, ScoreRequest]:
    """The project's slug and the request. Raises ``Invalid`` with one reason per wrong field."""
    faults: dict[str, str] = {}
    fields = Fields(parse_object(body), faults)
    fields.refuse_others(FIELDS)
    fields.require("project", "prompt", "completions")
    project = fields.read("project", _name, "")
    prompt = fields.read("prompt", _prompt, "")
    request = ScoreRequest(
        prompt=prompt,
        completions=_completions(fields),
        user=fields.read("user", _name_or_null, None),
        model=fields.read("model", _name_or_null, None),
        context=_context(fields, prompt),
        normalize=fields.read("normalize", lambda value: _one_of(value, get_args(Normalize)), "none"),
        aggregate=fields.read("aggregate", lambda value: _one_of(value, get_args(Aggregate)), "mean"),
    )
    if faults:
        raise Invalid(f"The request has {len(faults)} wrong field{'s' * (len(faults) > 1)}.", fields=faults)
    return project, request


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 in which no field is given twice. Raises ``Invalid``."""
    try:
        parsed = orjson.loads(body)  # the strict reader: no NaN, no lone surrogates, no invalid UTF-8
        if isinstance(parsed, dict):
            json.loads(body, object_pairs_hook=_refuse_duplicates)
            return parsed
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise Invalid(f"The body is not JSON: {error}.") from None
    raise Invalid("The body must be a JSON object.")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise Invalid("The request has 1 wrong field.", fields={name: "given twice"})
        seen.add(name)


def _completions(fields: Fields) -> tuple[str, ...]:
    given = fields.given.get("completions", ())
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_COMPLETIONS:
        fields.faults.setdefault("completions", f"expected a list of 1 to {MAX_COMPLETIONS} texts or messages")
        return ()
    texts = []
    for index, each in enumerate(given):
        try:
            texts.append(_response(each))
        except Wrong as wrong:
            fields.faults[f"completions[{index}]"] = str(wrong)
    return tuple(texts)


def _context(fields: Fields, prompt: str) -> tuple[InlineJudgment, ...]:
    given = fields.given.get("context")
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > MAX_CONTEXT:
        fields.faults["context"] = f"expected a list of at most {MAX_CONTEXT} judgments"
        return ()
    return tuple(
        _inline_judgment(each, f"context[{index}].", fields.faults, prompt) for index, each in enumerate(given)
    )


def _inline_judgment(given: object, path: str, faults: dict[str, str], prompt: str) -> InlineJudgment:
    if not isinstance(given, dict):
        faults[path.rstrip(".")] = "expected an object"
        return InlineJudgment("", "", "", "tie")
    fields = Fields(given, faults, path)
    fields.refuse_others(CONTEXT_FIELDS)
    fields.require("response_a", "response_b", "choice")
    judgment = InlineJudgment(
        prompt=fields.read("prompt", _prompt, prompt),
        response_a=fields.read("response_a", _response, ""),
        response_b=fields.read("response_b", _response, ""),
        choice=fields.read("choice", lambda value: _one_of(value, CHOICES), "tie"),
        strength=fields.read("strength", _strength, None),
        swapped=fields.read("swapped", _flag, False),
    )
    if judgment.strength and judgment.choice not in ("a", "b"):
        faults.setdefault(f"{path}strength", "only goes with the choice a or b")
    if judgment.response_a == judgment.response_b:
        faults.setdefault(f"{path}response_b", "is the same text as response_a")
    return judgment


# One value at a time


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(f"is {type(value).__name__}; expected a text")
    if not value.strip():
        raise Wrong("is empty")
    if len(value) > MAX_TEXT:
        raise Wrong(f"has {len(value)} characters; expected at most {MAX_TEXT}")
    if "\0" in value:
        raise Wrong("holds a NUL character")
    return value


def _prompt(value: object) -> str:
    if isinstance(value, list):
        return _text(flatten_prompt(_messages(value, ROLES)))
    return _text(value)


def _response(value: object) -> str:
    if not isinstance(value, list):
        return _text(value)
    messages = _messages(value, ("assistant",))
    if len(messages) != 1:
        raise Wrong(f"has {len(messages)} messages; expected one of the assistant")
    return _text(messages[0]["content"])


def _messages(value: list[object], roles: tuple[str, ...]) -> list[dict[str, str]]:
    if not 1 <= len(value) <= MAX_MESSAGES:
        raise Wrong(f"has {len(value)} messages; expected 1 to {MAX_MESSAGES}")
    messages = []
    for index, message in enumerate(value):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise Wrong(f'message {index} must be {{"role", "content"}}')
        role, content = message["role"], message["content"]
        if role not in roles:
            raise Wrong(f"message {index} has the role {role!r}; expected {' or '.join(roles)}")
        if not isinstance(content, str):
            raise Wrong(f"message {index} has content of the type {type(content).__name__}; expected a text")
        messages.append({"role": role, "content": content})
    return messages


def _name(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 200 or "\0" in value:
        raise Wrong("expected a text of 1 to 200 characters")
    return value


def _name_or_null(value: object) -> str | None:
    return None if value is None else _name(value)


def _one_of(value: object, allowed: tuple[Value, ...]) -> Value:
    for each in allowed:
        if each == value and isinstance(value, str):
            return each
    raise Wrong(f"is {str(value)[:80]!r}; expected {' or '.join(map(str, allowed))}")


def _strength(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 3):
        return value
    raise Wrong("expected 1, 2, 3 or null")


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong("expected true or false")
    return value
