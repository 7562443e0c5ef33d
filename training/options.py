"""A model's settings as people write them, one ``name = value`` a line, and as pages list them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotator.errors import Invalid
from attune import rewards
from attune.rewards.settings import Setting, expected

MOST_LINES = 40


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting for a table."""

    name: str
    default: str
    takes: str
    about: str


def options_from_text(text: str) -> dict[str, object]:
    """``steps = 800`` and so on; values as JSON, or else as text. Empty lines do not count.

    Raises ``Invalid`` naming the line. Whether the model takes them is checked when the run is started.
    """
    options: dict[str, object] = {}
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) > MOST_LINES:
        known = {"n": len(lines), "most": MOST_LINES}
        raise Invalid(_("The settings have %(n)s lines; expected at most %(most)s.") % known)
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name or not value:
            raise Invalid(
                _("Line %(number)s of the settings is “%(line)s”; expected name = value.")
                % {"number": number, "line": line[:60]}
            )
        if name in options:
            raise Invalid(
                _("Line %(number)s of the settings names “%(name)s” a second time.") % {"number": number, "name": name}
            )
        options[name] = _value(value)
    return options


def settings_shown() -> dict[str, list[Shown]]:
    """Every model's settings, for the page where runs are started."""
    return {name: [_shown(each) for each in rewards.settings(name)] for name in rewards.names()}


def _shown(each: Setting) -> Shown:
    default = ", ".join(map(str, each.default)) if each.kind == "list" else str(each.default)
    return Shown(each.name, default or "none", expected(each), each.about)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
