"""What a row says beside its choice: tags, marked stretches, a flag, aspects, where it is from. Checked by itself."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.utils.text import slugify
from django.utils.translation import gettext as _

from annotator.imports import fields
from annotator.imports.errors import BadRow
from annotator.models import Flag
from annotator.services.answers import MAX_FLAG_NOTE
from annotator.services.aspects import MAX_ASPECTS
from annotator.services.marks import MAX_COMMENT, MAX_SPANS
from attune.data import PARTS

MAX_TAGS = 100
MAX_TAG = 40
_TAG_FIELDS = frozenset({"tag", "side", "good"})
_SPAN_FIELDS = frozenset({"side", "start", "end", "quote", "good", "tag", "comment"})
_SPAN_NEEDED = frozenset({"side", "start", "end", "quote", "good"})
_FLAG_FIELDS = frozenset({"kind", "about", "note"})


def tags_of(row: Mapping[str, object], preference: str) -> list[dict[str, object]]:
    """Reason tags with side and sign. A bare name praises the preferred side; where none is preferred it goes to both."""
    value = row.get("tags")
    if value is None or value == []:
        return []
    if not isinstance(value, list):
        raise BadRow("wrong_type", "tags", value, _("a list of tags"))
    if len(value) > MAX_TAGS:
        raise BadRow(
            "too_long", "tags", _("%(n)s tags") % {"n": len(value)}, _("at most %(most)s") % {"most": MAX_TAGS}
        )
    return [tag for number, each in enumerate(value) for tag in _tag(each, f"tags[{number}]", preference)]


def _tag(value: object, shown: str, preference: str) -> list[dict[str, object]]:
    if isinstance(value, str):
        name = fields.text({shown: value}, shown, limit=MAX_TAG)
        sides = preference if preference in ("a", "b") else "ab"
        return [{"tag": name, "side": side, "good": preference != "both_bad"} for side in sides]
    if not isinstance(value, dict) or value.keys() != _TAG_FIELDS:
        raise BadRow("wrong_type", shown, value, _('a text, or {"tag", "side", "good"}'))
    if value["side"] not in ("a", "b") or not isinstance(value["good"], bool):
        raise BadRow("wrong_value", shown, value, _("side a or b, good true or false"))
    return [
        {
            "tag": fields.text(value, "tag", limit=MAX_TAG, shown=f"{shown}.tag"),
            "side": value["side"],
            "good": value["good"],
        }
    ]


def spans_of(row: Mapping[str, object], texts: Mapping[str, str]) -> list[dict[str, object]]:
    """Marked stretches of ``texts`` by their sides: code points, with the quote that must stand there."""
    value = row.get("spans")
    if value is None or value == []:
        return []
    if not isinstance(value, list):
        raise BadRow("wrong_type", "spans", value, _("a list of marked stretches"))
    if len(value) > MAX_SPANS:
        raise BadRow(
            "too_long", "spans", _("%(n)s stretches") % {"n": len(value)}, _("at most %(most)s") % {"most": MAX_SPANS}
        )
    return [span_of(each, f"spans[{number}]", texts) for number, each in enumerate(value)]


def span_of(value: object, shown: str, texts: Mapping[str, str]) -> dict[str, object]:
    if not isinstance(value, dict) or not _SPAN_NEEDED <= value.keys() <= _SPAN_FIELDS:
        raise BadRow("wrong_type", shown, value, '{"side", "start", "end", "quote", "good", "tag", "comment"}')
    if value["side"] not in texts or not isinstance(value["good"], bool):
        raise BadRow(
            "wrong_value", shown, value, _("side %(known)s, good true or false") % {"known": _(" or ").join(texts)}
        )
    text = texts[value["side"]]
    start = fields.whole(value, "start", least=0, most=len(text))
    end = fields.whole(value, "end", least=1, most=len(text))
    if start is None or end is None or start >= end or text[start:end] != value["quote"]:
        raise BadRow(
            "wrong_value", f"{shown}.quote", value["quote"], _("what stands from start to end of the response")
        )
    comment = fields.text(value, "comment", limit=MAX_COMMENT, blank=True, shown=f"{shown}.comment")
    return {**value, "tag": fields.text(value, "tag", limit=MAX_TAG, blank=True), "comment": comment}


def flag_of(row: Mapping[str, object], abouts: tuple[str, ...] = tuple(Flag.About.values)) -> dict[str, object]:
    """Something that the owner must see; empty for nothing."""
    flag = fields.mapping(row, "flag")
    if not flag:
        return {}
    if not flag.keys() <= _FLAG_FIELDS:
        raise BadRow("wrong_type", "flag", flag, '{"kind", "about", "note"}')
    return {
        "kind": fields.one_of(flag, "kind", tuple(Flag.Kind.values)),
        "about": fields.one_of(flag, "about", abouts, absent="both"),
        "note": fields.text(flag, "note", limit=MAX_FLAG_NOTE, blank=True, shown="flag.note"),
    }


def aspects_of(row: Mapping[str, object]) -> dict[str, object]:
    """By key: ``a``, ``b``, ``tie`` or ``na`` where they are compared, ``{"a": 4, "b": null}`` where they are rated."""
    said = fields.mapping(row, "aspects")
    if len(said) > MAX_ASPECTS:
        raise BadRow(
            "too_long", "aspects", _("%(n)s aspects") % {"n": len(said)}, _("at most %(most)s") % {"most": MAX_ASPECTS}
        )
    for key, value in said.items():
        if len(key) > MAX_TAG or slugify(key) != key:
            raise BadRow("wrong_value", "aspects", key, _("small letters, digits and hyphens"))
        if isinstance(value, dict):
            if not value or not value.keys() <= {"a", "b"}:
                raise BadRow("wrong_value", f"aspects.{key}", value, _('{"a": 1 … 10 or null, "b": …}'))
            for side in value:
                fields.whole(value, side, least=1, most=10)
        elif value not in ("a", "b", "tie", "na"):
            raise BadRow("wrong_value", f"aspects.{key}", value, _("a, b, tie, na, or a place on a scale for a and b"))
    return said


def key_in(row: Mapping[str, object], name: str) -> uuid.UUID | None:
    value = row.get(name)
    if value is None:
        return None
    try:
        return uuid.UUID(value)  # type: ignore[arg-type]
    except (ValueError, AttributeError, TypeError):
        raise BadRow("wrong_value", name, value, _("a UUID")) from None


def judgment_about(row: Mapping[str, object], extra: dict[str, object]) -> dict[str, object]:
    about: dict[str, object] = {}
    if part := fields.one_of(row, "part", PARTS, absent=""):
        about["part"] = part
    if slices := fields.texts(row, "slices", most=50, limit=100):
        about["slices"] = slices
    if source := fields.text(row, "source", blank=True):
        about["source"] = source
    if extra:
        about["extra"] = extra
    return about
