"""The keys of the judging page: one list for the page, the help sheet, and everybody's own choices.

A key is a capital letter, a digit, a sign, or ``Enter``. Letters and digits mean a place on the keyboard, so that hands
find them on every layout; signs mean what they print.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotator.errors import Invalid

SIGNS = "/?+-=.,;'[]"
REASONS = 5
"""So many reasons on each side have keys."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a key does."""

    name: str
    default: str
    label: str | Promise


ACTIONS = (
    Action("step1", "1", _("A much better")),
    Action("step2", "2", _("A better")),
    Action("step3", "3", _("A slightly better")),
    Action("step4", "4", _("About equal")),
    Action("step5", "5", _("B slightly better")),
    Action("step6", "6", _("B better")),
    Action("step7", "7", _("B much better")),
    Action("both_good", "G", _("Both good")),
    Action("both_bad", "X", _("Both bad")),
    *(Action(f"a{n}", key, _("A reason about A")) for n, key in enumerate("QWERT", start=1)),
    *(Action(f"b{n}", key, _("A reason about B")) for n, key in enumerate("YUIOP", start=1)),
    Action("words", "/", _("Write in your own words")),
    Action("mark_good", "+", _("Mark the selected text as good")),
    Action("mark_bad", "-", _("Mark the selected text as bad")),
    Action("select", "M", _("Select text with the keyboard")),
    Action("aspects", "D", _("Aspects")),
    Action("differences", "C", _("Show what differs")),
    Action("zoom_in", ".", _("Pictures larger")),
    Action("zoom_out", ",", _("Pictures smaller")),
    Action("zoom_fit", "0", _("Fit the pictures in")),
    Action("picture", "V", _("Go to a picture, to move it")),
    Action("undo", "Z", _("Undo the last judgment")),
    Action("skip", "S", _("Skip this pair")),
    Action("flag", "F", _("Flag a problem")),
    Action("down", "J", _("Scroll down")),
    Action("up", "K", _("Scroll up")),
    Action("help", "?", _("Keys")),
)
DEFAULTS = {action.name: action.default for action in ACTIONS}


def keys_of(own: Mapping[str, str]) -> dict[str, str]:
    """Every action with its key, a person's ``own`` ones before the usual ones."""
    return {name: own.get(name, default) for name, default in DEFAULTS.items()}


def own_keys(chosen: Mapping[str, str]) -> dict[str, str]:
    """What of ``chosen`` differs from the usual keys, tidied. Raises ``Invalid`` with the actions as ``fields``."""
    tidy = {name: _tidy(chosen.get(name, default)) or default for name, default in DEFAULTS.items()}
    users: dict[str, list[str]] = {}
    for name, key in tidy.items():
        users.setdefault(key, []).append(name)
    labels = {action.name: str(action.label) for action in ACTIONS}
    fields = {}
    for name, key in tidy.items():
        if not _is_key(key):
            fields[name] = f"“{key}” can’t be a key here: a letter, a digit, or one of {' '.join(SIGNS)}"
        elif others := [labels[other] for other in users[key] if other != name]:
            fields[name] = f"{key} is also the key of “{others[0]}”."
    if fields:
        raise Invalid("Every action needs a key of its own.", fields=fields)
    return {name: key for name, key in tidy.items() if key != DEFAULTS[name]}


def _tidy(key: str) -> str:
    key = key.strip().replace("−", "-")
    return key.upper() if key.isascii() else key


def _is_key(key: str) -> bool:
    return len(key) == 1 and ((key.isascii() and key.isalnum()) or key in SIGNS)
