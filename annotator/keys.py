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

LETTERS = "QRTUVWXY"
"""Names of a ranking's responses, and the keys that pick them; none of them is the key of anything else there."""
SIGNS = "/?+-=.,;'[]"
REASONS = 5
"""So many reasons on each side have keys."""


KINDS = ("pair", "ranking", "rating")


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a key does, and where; two that are nowhere together may have the same key."""

    name: str
    default: str
    label: str | Promise
    where: tuple[str, ...] = KINDS


_PAIR, _RANKING, _RATING = (("pair",), ("ranking",), ("rating",))
ACTIONS = (
    Action("step1", "1", _("A much better"), _PAIR),
    Action("step2", "2", _("A better"), _PAIR),
    Action("step3", "3", _("A slightly better"), _PAIR),
    Action("step4", "4", _("About equal"), _PAIR),
    Action("step5", "5", _("B slightly better"), _PAIR),
    Action("step6", "6", _("B better"), _PAIR),
    Action("step7", "7", _("B much better"), _PAIR),
    Action("both_good", "G", _("Both good"), _PAIR),
    Action("both_bad", "X", _("Both bad"), _PAIR),
    *(Action(f"a{n}", key, _("A reason about A"), ("pair", "rating")) for n, key in enumerate("QWERT", start=1)),
    *(Action(f"b{n}", key, _("A reason about B"), _PAIR) for n, key in enumerate("YUIOP", start=1)),
    *(Action(f"card{n}", key, _("Place or pick up response"), _RANKING) for n, key in enumerate(LETTERS, start=1)),
    *(Action(f"place{n}", str(n), _("Put it in place"), _RANKING) for n in range(1, 9)),
    Action("tie", "=", _("Tie with the one above, or not"), _RANKING),
    *(Action(f"rate{n}", str(n) if n < 10 else "X", _("Rate as"), _RATING) for n in range(11)),
    Action("na", "N", _("Not on this scale"), _RATING),
    Action("words", "/", _("Write in your own words")),
    Action("mark_good", "+", _("Mark the selected text as good")),
    Action("mark_bad", "-", _("Mark the selected text as bad")),
    Action("select", "M", _("Select text with the keyboard")),
    Action("aspects", "D", _("Aspects"), ("pair", "rating")),
    Action("differences", "C", _("Show what differs"), _PAIR),
    Action("zoom_in", ".", _("Pictures larger")),
    Action("zoom_out", ",", _("Pictures smaller")),
    Action("zoom_fit", "0", _("Fit the pictures in"), ("pair", "ranking")),
    Action("picture", "V", _("Go to a picture, to move it"), ("pair", "rating")),
    Action("undo", "Z", _("Undo the last judgment")),
    Action("skip", "S", _("Skip this one")),
    Action("flag", "F", _("Flag a problem")),
    Action("down", "J", _("Scroll down")),
    Action("up", "K", _("Scroll up")),
    Action("help", "?", _("Keys")),
)
DEFAULTS = {action.name: action.default for action in ACTIONS}


def keys_of(own: Mapping[str, str]) -> dict[str, str]:
    """Every action with its key, a person's ``own`` ones before the usual ones."""
    return {name: own.get(name, default) for name, default in DEFAULTS.items()}


def keys_by_kind(own: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The same for each kind of judgment: only what has a meaning there."""
    keys = keys_of(own)
    return {kind: {each.name: keys[each.name] for each in ACTIONS if kind in each.where} for kind in KINDS}


def label_of(action: Action) -> str:
    """What it does, in words."""
    number = action.name.lstrip("abcdefghijklmnopqrstuvwxyz_")
    if action.name.startswith("card"):
        number = action.default
    numbered = number and not action.name.startswith("step")
    return f"{action.label} {number}" if numbered else str(action.label)


def own_keys(chosen: Mapping[str, str]) -> dict[str, str]:
    """What of ``chosen`` differs from the usual keys, tidied. Raises ``Invalid`` with the actions as ``fields``."""
    tidy = {name: _tidy(chosen.get(name, default)) or default for name, default in DEFAULTS.items()}
    users: dict[str, list[Action]] = {}
    for action in ACTIONS:
        users.setdefault(tidy[action.name], []).append(action)
    fields = {}
    for action in ACTIONS:
        name, key = action.name, tidy[action.name]
        if not _is_key(key):
            fields[name] = _("“%(key)s” can’t be a key here: a letter, a digit, or one of %(signs)s") % {
                "key": key,
                "signs": " ".join(SIGNS),
            }
        elif others := [each for each in users[key] if each != action and {*each.where} & {*action.where}]:
            fields[name] = _("%(key)s is also the key of “%(action)s”.") % {"key": key, "action": label_of(others[0])}
    if fields:
        raise Invalid(str(_("Every action needs a key of its own.")), fields=fields)
    return {name: key for name, key in tidy.items() if key != DEFAULTS[name]}


def _tidy(key: str) -> str:
    key = key.strip().replace("−", "-")
    return key.upper() if key.isascii() else key


def _is_key(key: str) -> bool:
    return len(key) == 1 and ((key.isascii() and key.isalnum()) or key in SIGNS)
