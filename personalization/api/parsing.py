"""Reading the body of ``POST /api/v1/score`` by hand: plain checks, every fault named by its field, in one answer.

Nested serializers cost more than the scoring itself here, and this route is called once per training step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

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
                self.faults[self.path + name] = f"is unknown; known are {', '.join(known)}"

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
                self.faults.setdefault(self.path + name, "is missing")


def parse_score_request(body: object) -> tuple[str, ScoreRequest]:
    """The project's slug and the request, from parsed JSON. Raises ``Invalid`` with one reason per wrong field."""
    if not isinstance(body, dict):
        raise Invalid(f"The body is {_kind(body)}; expected an object.")
    faults: dict[str, str] = {}
    fields = Fields(body, faults)
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
        listed = "; ".join(f"{name} {fault}" for name, fault in list(faults.items())[:3])
        raise Invalid(f"{listed}{' …' if len(faults) > 3 else ''}.", fields=faults)
    return project, request


def _completions(fields: Fields) -> tuple[str, ...]:
    given = fields.given.get("completions", ())
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_COMPLETIONS:
        fields.faults.setdefault("completions", f"must be a list of 1 to {MAX_COMPLETIONS} texts or messages")
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
        fields.faults["context"] = f"must be a list of at most {MAX_CONTEXT} judgments"
        return ()
    return tuple(
        _inline_judgment(each, f"context[{index}].", fields.faults, prompt) for index, each in enumerate(given)
    )


def _inline_judgment(given: object, path: str, faults: dict[str, str], prompt: str) -> InlineJudgment:
    if not isinstance(given, dict):
        faults[path.rstrip(".")] = "must be an object"
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


def _kind(value: object) -> str:
    return "null" if value is None else f"of the type {type(value).__name__}"


def _storable(value: str) -> str:
    """A text that UTF-8 and the database take."""
    if "\0" in value:
        raise Wrong("holds a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Wrong(f"holds half of a surrogate pair at character {error.start}") from None
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(f"is {_kind(value)}; expected a text")
    if not value.strip():
        raise Wrong("is empty")
    if len(value) > MAX_TEXT:
        raise Wrong(f"has {len(value):,} characters; expected at most {MAX_TEXT:,}")
    return _storable(value)


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
            raise Wrong(f"message {index} has content that is {_kind(content)}; expected a text")
        messages.append({"role": role, "content": content})
    return messages


def _name(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise Wrong("must be a text of 1 to 200 characters")
    return _storable(value)


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
    raise Wrong("must be 1, 2, 3 or null")


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value
