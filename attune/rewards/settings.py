"""Hyper-parameters of the models: declared once on a dataclass, checked with clear errors, listed for pages and help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from math import isfinite
from typing import Any, TypeVar, get_origin, get_type_hints

from attune.errors import BadData

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class Setting:
    """One hyper-parameter. ``kind`` is int, float, bool, str or list; the bounds hold for numbers."""

    name: str
    kind: str
    default: Any
    about: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


def setting(
    default: Any,
    about: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of a settings dataclass with what it is about and which values it takes."""
    return field(default=default, metadata={"about": about, "least": least, "most": most, "choices": choices})


def settings_of(cls: type) -> list[Setting]:
    """The fields of a settings dataclass, in order."""
    hints = get_type_hints(cls)
    return [Setting(each.name, _kind(hints[each.name]), _default(each), **each.metadata) for each in fields(cls)]


def checked(cls: type[Settings], options: Mapping[str, Any]) -> Settings:
    """The dataclass with these options in place of its defaults. Raises ``BadData`` naming option, value and what was
    expected."""
    known = {each.name: each for each in settings_of(cls)}
    values = {}
    for name, value in options.items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise BadData(f"does not take these options: {name!r} is not one of them; it takes {listed}")
        values[name] = _checked(known[name], value)
    return cls(**values)


def _checked(wanted: Setting, value: Any) -> Any:
    if not _fits(wanted, value):
        raise BadData(f"option {wanted.name!r} is {value!r}; expected {expected(wanted)}")
    return tuple(value) if wanted.kind == "list" else float(value) if wanted.kind == "float" else value


def _fits(wanted: Setting, value: Any) -> bool:
    if wanted.kind == "bool":
        return isinstance(value, bool)
    if wanted.kind == "list":
        return isinstance(value, Sequence) and not isinstance(value, str)
    if wanted.kind == "str":
        return isinstance(value, str) and (not wanted.choices or value in wanted.choices)
    number = int if wanted.kind == "int" else (int, float)
    if isinstance(value, bool) or not isinstance(value, number) or not isfinite(value):
        return False
    return (wanted.least is None or value >= wanted.least) and (wanted.most is None or value <= wanted.most)


def expected(wanted: Setting) -> str:
    """What the setting takes, in words: ``a whole number from 1 to 64``."""
    if wanted.choices:
        return " or ".join(map(repr, wanted.choices))
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "list": "a list"}
    low = f" from {wanted.least:g}" if wanted.least is not None else ""
    high = f" to {wanted.most:g}" if wanted.most is not None else ""
    return words[wanted.kind] + low + high


def _kind(hint: Any) -> str:
    if get_origin(hint) is not None or hint in (list, tuple):
        return "list"
    return str(getattr(hint, "__name__", hint))


def _default(each: Any) -> Any:
    return each.default if each.default is not MISSING else each.default_factory()
