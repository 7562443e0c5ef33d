"""What rows of other tools have in common: sides that nobody has said, conversations in other words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from annotator.imports.errors import BadRow
from annotator.imports.reading import Row

Message = Mapping[str, Any]
_ROLES = {
    "human": "user",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "gpt": "assistant",
    "system": "system",
}


def stated(row: Row) -> Row:
    """Without what is not there."""
    return {name: value for name, value in row.items() if value not in (None, "", {}, [])}


def sided(sides: list[Row], *, flip: bool) -> Row:
    a, b = reversed(sides) if flip else sides
    return {
        "response_a": a["text"],
        "response_b": b["text"],
        "response_a_id": a["id"],
        "response_b_id": b["id"],
        "model_a": a["model"],
        "model_b": b["model"],
    }


def drawn(one: str, other: str) -> bool:
    """Whether the first goes to side b: by chance, and always the same for the same two texts, either way round."""
    low, high = sorted((one, other))
    drawn = hashlib.sha256(f"{low}\0{high}".encode(errors="surrogatepass")).digest()[0] & 1
    return bool(drawn) != (one > other)


def objects(value: Any, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise BadRow("wrong_type", name, value, _("a list of objects"))
    return value


def turns_of(value: Any, name: str) -> list[dict[str, str]]:
    """A conversation in our roles."""
    turns = []
    for number, each in enumerate(objects(value, name)):
        role = _ROLES.get(str(each.get("role", each.get("from", ""))).lower())
        content = each.get("content", each.get("value"))
        if role is None or not isinstance(content, str):
            raise BadRow("wrong_value", f"{name}[{number}]", each, _("a message with a known role and a text"))
        turns.append({"role": role, "content": content})
    if not turns:
        raise BadRow("empty", name, value, _("at least one message"))
    return turns
