"""Reading a JSON body by hand, field by field: plain checks, every fault named by its field, in one answer.

Nested serializers cost more than the scoring itself on these routes, which are called once per training step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from annotator.errors import Invalid
from annotator.models.content import MAX_TEXT
from attune.data import flatten_prompt

MAX_MESSAGES = 200
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


def kind(value: object) -> str:
    return "null" if value is None else f"of the type {type(value).__name__}"


def storable(value: str) -> str:
    """A text that UTF-8 and the database take."""
    if "\0" in value:
        raise Wrong("holds a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Wrong(f"holds half of a surrogate pair at character {error.start}") from None
    return value


def as_text(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}; expected a text")
    if not value.strip():
        raise Wrong("is empty")
    if len(value) > MAX_TEXT:
        raise Wrong(f"has {len(value):,} characters; expected at most {MAX_TEXT:,}")
    return storable(value)


def as_said(value: object, most: int) -> str:
    """Words of at most ``most`` characters, or none."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}; expected a text")
    if len(value) > most:
        raise Wrong(f"has {len(value):,} characters; expected at most {most:,}")
    return storable(value)


def as_prompt(value: object) -> str:
    if isinstance(value, list):
        return as_text(flatten_prompt(as_messages(value, ROLES)))
    return as_text(value)


def as_response(value: object) -> str:
    if not isinstance(value, list):
        return as_text(value)
    messages = as_messages(value, ("assistant",))
    if len(messages) != 1:
        raise Wrong(f"has {len(messages)} messages; expected one of the assistant")
    return as_text(messages[0]["content"])


def as_messages(value: list[object], roles: tuple[str, ...]) -> list[dict[str, str]]:
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
            raise Wrong(f"message {index} has content that is {kind(content)}; expected a text")
        messages.append({"role": role, "content": content})
    return messages


def as_name(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise Wrong("must be a text of 1 to 200 characters")
    return storable(value)


def as_name_or_null(value: object) -> str | None:
    return None if value is None else as_name(value)


def as_one_of(value: object, allowed: tuple[Value, ...]) -> Value:
    for each in allowed:
        if each == value and isinstance(value, str):
            return each
    raise Wrong(f"is {str(value)[:80]!r}; expected {' or '.join(map(str, allowed))}")


def as_strength(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 3):
        return value
    raise Wrong("must be 1, 2, 3 or null")


def as_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def refuse(faults: Mapping[str, str]) -> None:
    """Raise ``Invalid`` with one reason per wrong field, if there are any."""
    if faults:
        listed = "; ".join(f"{name} {fault}" for name, fault in list(faults.items())[:3])
        raise Invalid(f"{listed}{' …' if len(faults) > 3 else ''}.", fields=faults)


def as_object(body: object) -> Mapping[str, Any]:
    """The body as an object. Raises ``Invalid`` for anything else."""
    if not isinstance(body, dict):
        raise Invalid(f"The body is {kind(body)}; expected an object.")
    return body
