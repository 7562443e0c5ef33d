"""The two shapes of a row, checked by themselves: a judgment, or a prompt with responses."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import orjson
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotator.imports import fields
from annotator.imports.errors import BadRow
from annotator.imports.known import KnownAnswer, known_answer
from annotator.imports.said import aspects_of, flag_of, judgment_about, key_in, spans_of, tags_of
from annotator.models.content import MAX_TEXT
from annotator.services.content import ROLES, Message, as_messages, prompt_digest, turns_problem
from attune.data import content_digest, flatten_prompt

PREFERENCES = ("a", "b", "tie", "both_good", "both_bad", "skip")
MAX_EXTRA = 200_000
"""Bytes of JSON beside the known fields of one row."""
MAX_MESSAGES = 500
MAX_RESPONSES = 64
MAX_REFERENCE = 2_000
"""Code points of what a row calls a picture: a name, a file of the zip, or an address."""
MAX_SEEN = 1_000
SHORT_ROW = 10_000
"""Pairs whose texts are remembered, and the bytes that a row may have to be remembered."""
_PROMPT = frozenset({"prompt", "topic"})
_BESIDE = frozenset({"after", *(f"{name}_{side}" for side in "ab" for name in ("picture", "after", "consequence"))})
"""What most rows have nothing of."""
JUDGMENT_FIELDS = (
    _PROMPT
    | {
        *("kind", "annotator", "simulated", "prompt_id", "response_a", "response_a_id", "model_a"),
        *("response_b", "response_b_id", "model_b", "preference", "strength", "swapped", "occasion", "revision"),
        *("withdrawn", "skip_reason", "rationale", "tags", "spans", "flag", "aspects", "part", "slices", "source"),
        *("judged_at", "seconds", "page_version", "client_key", "extra", "hindsight_of"),
    }
    | _BESIDE
)
PROMPT_FIELDS = _PROMPT | {"id", "responses", "style", "extra", "gold", "qualifying", "after"}
RESPONSE_FIELDS = frozenset({"id", "text", "source", "style", "extra", "picture", "after", "consequence"})
_TEXT_FIELDS = (
    *("prompt", "prompt_id", "topic", "response_a", "response_a_id", "model_a"),
    *("response_b", "response_b_id", "model_b", *sorted(_BESIDE)),
)


@dataclass(slots=True)
class PromptText:
    """A prompt as the file has it; ``ref`` is empty where the file gives no id, ``turns`` where it gives a plain text."""

    ref: str
    turns: list[Message]
    text: str
    digest: str
    topic: str
    about: Mapping[str, object] | None = None

    @property
    def messages(self) -> list[Message]:
        return self.turns or as_messages(self.text)


@dataclass(slots=True)
class ResponseText:
    """A response as the file has it; ``ref`` is empty where the file gives no id.

    ``picture`` is what the file calls it; ``picture_id`` comes once it is in the store.
    """

    ref: str
    text: str
    digest: str
    source: str
    about: Mapping[str, object] | None = None
    picture: str = ""
    after: list[Message] = field(default_factory=list)
    consequence: str = ""
    picture_id: int | None = None


Texts = tuple[PromptText, tuple[ResponseText, ResponseText]]
Raw = bytes | Mapping[str, object]
"""A row as it came: a line of JSON, or the cells of a CSV row."""


@dataclass(slots=True)
class JudgmentRow:
    """A judgment in the file's terms: ``a`` and ``b`` as the file names them, ``swapped`` if b was shown on the left."""

    line: int
    raw: Raw
    annotator: str
    simulated: bool | None
    prompt: PromptText
    responses: tuple[ResponseText, ResponseText]
    preference: str
    strength: int | None
    swapped: bool
    occasion: int
    revision: int
    withdrawn: bool
    skip_reason: str
    rationale: str
    tags: list[dict[str, object]]
    spans: list[dict[str, object]]
    flag: dict[str, object]
    aspects: dict[str, object]
    judged_at: datetime | None
    seconds: float | None
    page_version: str
    client_key: uuid.UUID | None
    about: dict[str, object]


@dataclass(slots=True)
class PromptRow:
    """A prompt with its responses, in the file's order."""

    line: int
    raw: Raw
    prompt: PromptText
    responses: list[ResponseText]
    known: KnownAnswer = field(default_factory=KnownAnswer)


class Checker:
    """Checks rows by themselves. ``keep_extra`` puts unknown fields aside instead of refusing them."""

    def __init__(self, *, keep_extra: bool) -> None:
        self._keep = keep_extra
        self._seen: dict[tuple[object, ...], Texts] = {}

    def judgment(self, line: int, raw: Raw, row: Mapping[str, object]) -> JudgmentRow:
        """A judgment. Raises ``BadRow``."""
        extra = extra_of(row, JUDGMENT_FIELDS, keep=self._keep)
        prompt, responses = self._texts(row, short=isinstance(raw, bytes) and len(raw) <= SHORT_ROW)
        preference = fields.one_of(row, "preference", PREFERENCES)
        key_in(row, "hindsight_of")  # annotator and pair say it, too
        return JudgmentRow(
            line=line,
            raw=raw,
            annotator=fields.text(row, "annotator"),
            simulated=fields.flag(row, "simulated"),
            prompt=prompt,
            responses=responses,
            preference=preference,
            strength=_strength(row, preference),
            swapped=bool(fields.flag(row, "swapped")),
            occasion=fields.whole(row, "occasion", least=0, most=100) or 0,
            revision=fields.whole(row, "revision", least=1, most=10_000) or 1,
            withdrawn=bool(fields.flag(row, "withdrawn")),
            skip_reason=_skip_reason(row, preference),
            rationale=fields.text(row, "rationale", limit=MAX_TEXT, blank=True),
            tags=tags_of(row, preference),
            spans=spans_of(row, {"a": responses[0].text, "b": responses[1].text}),
            flag=flag_of(row),
            aspects=aspects_of(row),
            judged_at=fields.moment(row, "judged_at"),
            seconds=fields.seconds(row, "seconds"),
            page_version=fields.text(row, "page_version", limit=20, blank=True),
            client_key=key_in(row, "client_key"),
            about=judgment_about(row, extra),
        )

    def prompt(self, line: int, raw: Raw, row: Mapping[str, object]) -> PromptRow:
        """A prompt with responses. Raises ``BadRow``."""
        prompt = prompt_of(row, "id")
        prompt.about = _about(row, extra_of(row, PROMPT_FIELDS, keep=self._keep))
        responses = listed_responses(row, prompt, keep=self._keep)
        return PromptRow(line, raw, prompt, responses, known_answer(row, len(responses)))

    def _texts(self, row: Mapping[str, object], *, short: bool) -> Texts:
        """A judgment's texts; those of a pair seen lately are not checked and hashed again."""
        if not short or isinstance(row.get("prompt"), list):
            return _texts(row)
        key = tuple(map(row.get, _TEXT_FIELDS))
        try:
            found = self._seen.get(key)
        except TypeError:  # one of them is no text at all
            return _texts(row)
        if found is None:
            found = _texts(row)
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen[key] = found
        return found


def extra_of(row: Mapping[str, object], known: frozenset[str], *, keep: bool, within: str = "") -> dict[str, object]:
    """What else the row holds: the object ``extra``, and with ``keep`` every unknown field."""
    extra = dict(fields.mapping(row, "extra", shown=f"{within}extra"))
    if keep:
        extra.update((name, value) for name, value in row.items() if name not in known)
    else:
        fields.refuse_unknown(row, known, within=within)
    if extra:
        packed = orjson.dumps(extra)
        if len(packed) > MAX_EXTRA:
            raise BadRow(
                "too_long",
                f"{within}extra",
                _("%(n)s bytes") % {"n": f"{len(packed):,}"},
                _("at most %(most)s bytes of JSON") % {"most": f"{MAX_EXTRA:,}"},
            )
        if b"\\u0000" in packed:
            raise BadRow("nul", f"{within}extra", None, _("no U+0000"))
    return extra


def _about(row: Mapping[str, object], extra: dict[str, object], *, within: str = "") -> dict[str, object]:
    style = fields.mapping(row, "style", shown=f"{within}style")
    about: dict[str, object] = {"style": style} if style else {}
    return {**about, "extra": extra} if extra else about


def prompt_of(row: Mapping[str, object], id_field: str) -> PromptText:
    value = row.get("prompt")
    if isinstance(value, list):
        turns = _messages(value)
        text = flatten_prompt(turns)
        if len(text) > MAX_TEXT:
            raise BadRow(
                "too_long",
                "prompt",
                text,
                _("at most %(most)s characters (it has %(n)s)") % {"most": f"{MAX_TEXT:,}", "n": f"{len(text):,}"},
            )
    else:
        turns, text = [], fields.text(row, "prompt", limit=MAX_TEXT)
    topic = fields.text(row, "topic", blank=True)
    return PromptText(fields.text(row, id_field, blank=True), turns, text, prompt_digest(text), topic)


def _messages(value: list[object]) -> list[Message]:
    if not 1 <= len(value) <= MAX_MESSAGES:
        raise BadRow(
            "wrong_value",
            "prompt",
            _("%(n)s messages") % {"n": len(value)},
            _("1 to %(most)s messages") % {"most": MAX_MESSAGES},
        )
    for number, each in enumerate(value):
        shown = f"prompt[{number}]"
        if not isinstance(each, dict) or each.keys() != {"role", "content"}:
            raise BadRow("wrong_type", shown, each, _("a message with role and content"))
        if each["role"] not in ROLES:
            raise BadRow("wrong_value", f"{shown}.role", each["role"], _(" or ").join(ROLES))
        fields.text(each, "content", limit=MAX_TEXT, shown=f"{shown}.content")
    messages = cast("list[Message]", value)
    if messages[-1]["role"] != "user":
        raise BadRow("wrong_value", "prompt", messages[-1]["role"], _("a conversation whose last turn is the user's"))
    return as_messages(messages)


def _texts(row: Mapping[str, object]) -> Texts:
    prompt = prompt_of(row, "prompt_id")
    a, b = _response(row, "a", prompt), _response(row, "b", prompt)
    if (a.digest, a.picture) == (b.digest, b.picture) and not (a.ref and b.ref and a.ref != b.ref):
        raise BadRow("same_responses", "response_b", b.text, _("another text than response_a, or ids that differ"))
    if a.ref and a.ref == b.ref:
        raise BadRow("same_responses", "response_b_id", b.ref, _("another id than response_a_id"))
    return prompt, (a, b)


def _response(row: Mapping[str, object], side: str, prompt: PromptText) -> ResponseText:
    text = fields.text(row, f"response_{side}", limit=MAX_TEXT)
    found = ResponseText(
        fields.text(row, f"response_{side}_id", blank=True),
        text,
        content_digest(prompt.text, text),
        fields.text(row, f"model_{side}", blank=True),
    )
    if not _BESIDE.isdisjoint(row):
        found.picture = fields.text(row, f"picture_{side}", limit=MAX_REFERENCE, blank=True)
        found.after = _turns(row, f"after_{side}") or _turns(row, "after")
        found.consequence = fields.text(row, f"consequence_{side}", limit=MAX_TEXT, blank=True)
    return found


def _turns(row: Mapping[str, object], name: str, *, shown: str = "") -> list[Message]:
    """Messages that follow a response; absent is none."""
    value = row.get(name)
    if value is None:
        return []
    if problem := turns_problem(value):
        raise BadRow(
            "wrong_value", shown or name, value, _("messages with role and content: %(problem)s") % {"problem": problem}
        )
    return as_messages(cast("list[Message]", value))


def listed_responses(
    row: Mapping[str, object], prompt: PromptText, *, keep: bool, least: int = 1, most: int = MAX_RESPONSES
) -> list[ResponseText]:
    """The field ``responses``. Raises ``BadRow``."""
    listed = row.get("responses")
    if listed is None:
        raise BadRow("missing", "responses", None, _("a list of responses"))
    if not isinstance(listed, list):
        raise BadRow("wrong_type", "responses", listed, _("a list of responses"))
    if not least <= len(listed) <= most:
        raise BadRow(
            "wrong_value",
            "responses",
            ngettext("%(n)s response", "%(n)s responses", len(listed)) % {"n": len(listed)},
            _("%(least)s to %(most)s") % {"least": least, "most": most},
        )
    after = _turns(row, "after")
    responses = [_listed_response(each, number, prompt, after, keep=keep) for number, each in enumerate(listed)]
    refuse_same(responses)
    return responses


def _listed_response(
    value: object, number: int, prompt: PromptText, after: list[Message], *, keep: bool
) -> ResponseText:
    shown = f"responses[{number}]"
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        raise BadRow("wrong_type", shown, value, _("a text, or an object with text"))
    about = _about(value, extra_of(value, RESPONSE_FIELDS, keep=keep, within=f"{shown}."), within=f"{shown}.")
    text = fields.text(value, "text", limit=MAX_TEXT, shown=f"{shown}.text")
    return ResponseText(
        fields.text(value, "id", blank=True, shown=f"{shown}.id"),
        text,
        content_digest(prompt.text, text),
        fields.text(value, "source", blank=True, shown=f"{shown}.source"),
        about,
        fields.text(value, "picture", limit=MAX_REFERENCE, blank=True, shown=f"{shown}.picture"),
        _turns(value, "after", shown=f"{shown}.after") or after,
        fields.text(value, "consequence", limit=MAX_TEXT, blank=True, shown=f"{shown}.consequence"),
    )


def refuse_same(responses: list[ResponseText]) -> None:
    """Equal ids never; equal texts only where each has an id."""
    ids: set[str] = set()
    texts: dict[tuple[str, str], str] = {}
    for number, each in enumerate(responses):
        if each.ref in ids:
            raise BadRow("same_responses", f"responses[{number}].id", each.ref, _("an id of its own for each response"))
        says = (each.digest, each.picture)
        if says in texts and not (each.ref and texts[says]):
            raise BadRow("same_responses", f"responses[{number}].text", each.text, _("another text, or an id for each"))
        texts[says] = each.ref
        ids |= {each.ref} - {""}


def _strength(row: Mapping[str, object], preference: str) -> int | None:
    strength = fields.whole(row, "strength", least=1, most=3)
    if strength is not None and preference not in ("a", "b"):
        raise BadRow(
            "wrong_value",
            "strength",
            strength,
            _("none, because the preference is %(preference)s") % {"preference": repr(preference)},
        )
    return strength


def _skip_reason(row: Mapping[str, object], preference: str) -> str:
    reason = fields.text(row, "skip_reason", blank=True)
    if reason and preference != "skip":
        raise BadRow(
            "wrong_value",
            "skip_reason",
            reason,
            _("none, because the preference is %(preference)s") % {"preference": repr(preference)},
        )
    return reason
