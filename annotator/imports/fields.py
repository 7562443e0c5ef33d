"""Reading one field of a row: its value as the right type, or ``BadRow`` with what was expected."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from django.utils.translation import gettext as _

from annotator.imports.errors import BadRow
from annotator.models.content import MAX_TEXT
from annotator.services.content import MAX_REF

ALIASES = {
    "choice": "preference",
    "winner": "preference",
    "label": "preference",
    "verdict": "preference",
    "user": "annotator",
    "rater": "annotator",
    "annotator_id": "annotator",
    "comment": "rationale",
    "reason": "rationale",
    "explanation": "rationale",
    "question": "prompt",
    "instruction": "prompt",
    "messages": "prompt",
    "completion_a": "response_a",
    "completion_b": "response_b",
    "answer_a": "response_a",
    "answer_b": "response_b",
    "completions": "responses",
    "timestamp": "judged_at",
    "created_at": "judged_at",
    "key": "client_key",
}
"""What other tools call our fields; only to suggest them."""


def refuse_unknown(row: Mapping[str, object], known: frozenset[str], *, within: str = "") -> None:
    """Raise ``BadRow`` for the first field that is not known, with the one that was probably meant."""
    if not row.keys() <= known:
        name = next(name for name in row if name not in known)
        raise BadRow("unknown_field", f"{within}{name}", row[name], suggestion(name, known))


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to do about an unknown field."""
    names = sorted(known)
    alias = ALIASES.get(name.lower())
    close = [alias] if alias in names else difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.75)
    if close:
        meant = {"name": repr(close[0])}
        return _("a known field; did you mean %(name)s? If not, keep it aside with --keep-extra") % meant
    return _("a known field; if you need it, keep it aside with --keep-extra")


def text(row: Mapping[str, object], name: str, *, limit: int = MAX_REF, blank: bool = False, shown: str = "") -> str:
    """A text of at most ``limit`` code points; ``blank`` ones may be absent. ``shown`` is the field's name in messages."""
    value = row.get(name)
    if isinstance(value, str):
        if len(value) <= limit and "\x00" not in value and (blank or (value and not value.isspace())):
            return value
        raise _bad_text(value, shown or name, limit)
    if value is None:
        if blank:
            return ""
        raise BadRow("missing", shown or name, None, _("a text"))
    raise BadRow("wrong_type", shown or name, value, _("a text"))


def _bad_text(value: str, name: str, limit: int) -> BadRow:
    if "\x00" in value:
        return BadRow(
            "nul", name, value, _("no U+0000 (it is character %(place)s)") % {"place": value.index(chr(0)) + 1}
        )
    if len(value) > limit:
        return BadRow(
            "too_long",
            name,
            value,
            _("at most %(limit)s characters (it has %(n)s)") % {"limit": f"{limit:,}", "n": f"{len(value):,}"},
        )
    return BadRow("empty", name, None, _("a text that is not blank"))


def one_of(row: Mapping[str, object], name: str, allowed: tuple[str, ...], *, absent: str | None = None) -> str:
    """One of a few words."""
    value = row.get(name, absent)
    if value is None:
        raise BadRow("missing", name, None, _(" or ").join(allowed))
    if not isinstance(value, str) or value not in allowed:
        reason = "wrong_value" if isinstance(value, str) else "wrong_type"
        raise BadRow(reason, name, value, _(" or ").join(each for each in allowed if each))
    return value


def whole(row: Mapping[str, object], name: str, *, least: int, most: int) -> int | None:
    """A whole number from ``least`` to ``most``, or None where it is absent."""
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRow(
            "wrong_type", name, value, _("a whole number from %(least)s to %(most)s") % {"least": least, "most": most}
        )
    if not least <= value <= most:
        raise BadRow("wrong_value", name, value, _("%(least)s to %(most)s") % {"least": least, "most": most})
    return value


def seconds(row: Mapping[str, object], name: str) -> float | None:
    """A time span, not negative, or None where it is absent."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRow("wrong_type", name, value, _("a number of seconds"))
    if not math.isfinite(value) or value < 0:
        raise BadRow("wrong_value", name, value, _("a number of seconds, not negative"))
    return float(value)


def flag(row: Mapping[str, object], name: str) -> bool | None:
    """True or false, or None where it is absent."""
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRow("wrong_type", name, value, _("true or false"))
    return value


def moment(row: Mapping[str, object], name: str) -> datetime | None:
    """A moment in ISO 8601, taken for UTC where it names no zone, or None where it is absent."""
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRow("wrong_type", name, value, _("a time such as 2026-08-01T12:00:00Z"))
    try:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRow("wrong_value", name, value, _("a time such as 2026-08-01T12:00:00Z")) from None


def texts(row: Mapping[str, object], name: str, *, most: int, limit: int) -> list[str]:
    """A list of at most ``most`` texts; absent is empty."""
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadRow("wrong_type", name, value, _("a list of texts"))
    if len(value) > most:
        raise BadRow(
            "too_long", name, value, _("at most %(most)s texts (there are %(n)s)") % {"most": most, "n": len(value)}
        )
    for each in value:
        text({name: each}, name, limit=limit)
    return value


def tiers(row: Mapping[str, object], name: str, *, count: int) -> list[list[int]]:
    """An order of responses numbered from 1 to ``count``: groups of equal ones, the best first."""
    value = row.get(name)
    groups = value if isinstance(value, list) else []
    placed = [each for group in groups if isinstance(group, list) for each in group]
    whole = all(type(each) is int for each in placed) and all(isinstance(group, list) and group for group in groups)
    if not whole or sorted(placed) != list(range(1, count + 1)):
        expected = _("lists with each number from 1 to %(count)s once, the best first, equal ones in one list") % {
            "count": count
        }
        raise BadRow("wrong_value", name, value, expected)
    return groups


def mapping(row: Mapping[str, object], name: str, *, shown: str = "") -> dict[str, object]:
    """A JSON object; absent is empty."""
    value = row.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRow("wrong_type", shown or name, value, _("a JSON object"))
    return value


MAX_LONG = MAX_TEXT
"""Code points of a prompt, a response, a rationale."""
