"""Rankings and ratings as rows of a file, each checked by itself. Its responses are numbered from 1 in the order listed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.text import slugify
from django.utils.translation import gettext as _

from annotator.imports import fields
from annotator.imports.errors import BadRow
from annotator.imports.rows import PromptText, Raw, ResponseText, extra_of, listed_responses, prompt_of
from annotator.imports.said import MAX_TAG, MAX_TAGS, flag_of, judgment_about, key_in, spans_of
from annotator.models import HINDSIGHT, Judgment, Lineup, Project
from annotator.models.content import MAX_TEXT
from annotator.models.projects import scale_ends
from annotator.services.answers import CHOICES_OF
from annotator.services.aspects import MAX_ASPECTS
from annotator.services.lineups import LEAST, MOST

LINEUP_FIELDS = frozenset(
    {
        *("kind", "annotator", "simulated", "prompt_id", "prompt", "topic", "responses", "after", "choice", "ranking"),
        *(
            "rating",
            "scale",
            "shown",
            "occasion",
            "revision",
            "withdrawn",
            "skip_reason",
            "rationale",
            "tags",
            "spans",
            "flag",
            "aspects",
        ),
        *("part", "slices", "source", "judged_at", "seconds", "page_version", "client_key", "extra"),
    }
)
_KINDS = tuple(Lineup.Kind.values)
_SCALES = tuple(Project.Scale.values)


@dataclass(slots=True)
class LineupRow:
    """A ranking or a rating in the file's terms."""

    line: int
    raw: Raw
    annotator: str
    simulated: bool | None
    prompt: PromptText
    responses: list[ResponseText]
    kind: str
    choice: str
    ranking: list[list[int]]
    rating: int | None
    scale: str
    shown: list[int]
    occasion: int
    revision: int
    withdrawn: bool
    skip_reason: str
    rationale: str
    tags: list[dict[str, object]]
    spans: list[dict[str, object]]
    flag: dict[str, object]
    aspects: dict[str, int | None]
    judged_at: datetime | None
    seconds: float | None
    page_version: str
    client_key: uuid.UUID | None
    about: dict[str, object]


def check_lineup(line: int, raw: Raw, row: Mapping[str, object], *, keep: bool) -> LineupRow:
    """The row, checked by itself. Raises ``BadRow``."""
    kind = fields.one_of(row, "kind", _KINDS)
    extra = extra_of(row, LINEUP_FIELDS, keep=keep)
    prompt = prompt_of(row, "prompt_id")
    least, most = (LEAST, MOST) if kind == Lineup.Kind.RANKING else (1, 1)
    responses = listed_responses(row, prompt, keep=keep, least=least, most=most)
    numbers = {str(number): each.text for number, each in enumerate(responses, start=1)}
    choice = fields.one_of(row, "choice", tuple(CHOICES_OF[Judgment.Kind(kind)]))
    reason = fields.text(row, "skip_reason", blank=True)
    if reason and choice != "skip":
        raise BadRow(
            "wrong_value", "skip_reason", reason, _("none, because the choice is %(choice)s") % {"choice": repr(choice)}
        )
    rating, scale = _rating(row, choice)
    return LineupRow(
        line=line,
        raw=raw,
        annotator=fields.text(row, "annotator"),
        simulated=fields.flag(row, "simulated"),
        prompt=prompt,
        responses=responses,
        kind=kind,
        choice=choice,
        ranking=_ranking(row, choice, len(responses)),
        rating=rating,
        scale=scale,
        shown=_order(row, len(responses)),
        occasion=fields.whole(row, "occasion", least=0, most=HINDSIGHT) or 0,
        revision=fields.whole(row, "revision", least=1, most=10_000) or 1,
        withdrawn=bool(fields.flag(row, "withdrawn")),
        skip_reason=reason,
        rationale=fields.text(row, "rationale", limit=MAX_TEXT, blank=True),
        tags=_tags(row, numbers),
        spans=spans_of(row, numbers),
        flag=flag_of(row, ("prompt", "both", *numbers)),
        aspects=_aspects(row, kind),
        judged_at=fields.moment(row, "judged_at"),
        seconds=fields.seconds(row, "seconds"),
        page_version=fields.text(row, "page_version", limit=20, blank=True),
        client_key=key_in(row, "client_key"),
        about=judgment_about(row, extra),
    )


def _ranking(row: Mapping[str, object], choice: str, count: int) -> list[list[int]]:
    value = row.get("ranking")
    if choice != "ranked":
        if value not in (None, []):
            raise BadRow(
                "wrong_value", "ranking", value, _("none, because the choice is %(choice)s") % {"choice": repr(choice)}
            )
        return []
    return fields.tiers(row, "ranking", count=count)


def _rating(row: Mapping[str, object], choice: str) -> tuple[int | None, str]:
    rating = fields.whole(row, "rating", least=0, most=10)
    scale = fields.one_of(row, "scale", ("", *_SCALES), absent="")
    if choice != "rated":
        if rating is not None:
            raise BadRow(
                "wrong_value", "rating", rating, _("none, because the choice is %(choice)s") % {"choice": repr(choice)}
            )
        return None, scale
    low, high = scale_ends(scale) if scale else (0, -1)
    if rating is None or not low <= rating <= high:
        expected = _("a whole number on the scale (%(known)s) that the field scale names") % {
            "known": ", ".join(_SCALES)
        }
        raise BadRow("wrong_value", "rating", row.get("rating"), expected)
    return rating, scale


def _order(row: Mapping[str, object], count: int) -> list[int]:
    value = row.get("shown")
    if value in (None, []):
        return list(range(1, count + 1))
    if not isinstance(value, list) or sorted(map(str, value)) != sorted(map(str, range(1, count + 1))):
        raise BadRow(
            "wrong_value", "shown", value, _("the numbers from 1 to %(count)s, in the order shown") % {"count": count}
        )
    return [int(each) for each in value]


def _tags(row: Mapping[str, object], numbers: Mapping[str, str]) -> list[dict[str, object]]:
    value = row.get("tags")
    if value is None or value == []:
        return []
    if not isinstance(value, list) or len(value) > MAX_TAGS:
        raise BadRow("wrong_type", "tags", value, _("a list of at most %(most)s tags") % {"most": MAX_TAGS})
    for number, each in enumerate(value):
        shown = f"tags[{number}]"
        if not isinstance(each, dict) or each.keys() != {"tag", "side", "good"}:
            raise BadRow("wrong_type", shown, each, '{"tag", "side", "good"}')
        if each["side"] not in numbers or not isinstance(each["good"], bool):
            raise BadRow(
                "wrong_value", shown, each, _("side %(known)s, good true or false") % {"known": _(" or ").join(numbers)}
            )
        fields.text(each, "tag", limit=MAX_TAG, shown=f"{shown}.tag")
    return list(value)


def _aspects(row: Mapping[str, object], kind: str) -> dict[str, int | None]:
    """Of a rating: each aspect's place on its scale, or null where it does not apply."""
    said = fields.mapping(row, "aspects")
    if said and kind != Lineup.Kind.RATING:
        raise BadRow("wrong_value", "aspects", said, _("none: they are not asked of rankings"))
    if len(said) > MAX_ASPECTS:
        raise BadRow(
            "too_long", "aspects", _("%(n)s aspects") % {"n": len(said)}, _("at most %(most)s") % {"most": MAX_ASPECTS}
        )
    for key in said:
        if len(key) > MAX_TAG or slugify(key) != key:
            raise BadRow("wrong_value", "aspects", key, _("small letters, digits and hyphens"))
    return {key: fields.whole(said, key, least=1, most=10) for key in said}
