"""Prompts with responses in the words of others: UltraFeedback, OpenAI's messages, TRL's unpaired type.

Of an unpaired row, ``label`` says whether a completion is desirable. Where rows of one prompt stand together, as exports
of pairs have them, a desirable one is preferred to each that is not; where they don't, labels say nothing of two
responses, and are kept beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import orjson
from django.utils.translation import gettext as _

from annotator.imports.errors import BadRow
from annotator.imports.foreign_parts import drawn, objects, sided, stated, turns_of
from annotator.imports.reading import RawRow, Row

MOST_TOGETHER = 64
"""Rows of one prompt that are looked at together."""
_UNPAIRED = {"prompt", "completion", "label", "annotator", "simulated", "topic", "part", "judged_at", "prompt_id"} | {
    "completion_id",
    "completion_source",
    "strength",
    "rationale",
    "tags",
    "split",
}


def ultrafeedback(row: Row, _who: str) -> list[Row]:
    completions = objects(row["completions"], "completions")
    responses: list[Row] = []
    for number, each in enumerate(completions):
        text = each.get("response")
        if not isinstance(text, str):
            raise BadRow("wrong_type", f"completions[{number}].response", text, _("a text"))
        if any(text == known["text"] for known in responses):
            continue
        ratings = {
            aspect: said.get("Rating")
            for aspect, said in (each.get("annotations") or {}).items()
            if isinstance(said, Mapping)
        }
        about = {"ratings": ratings} if ratings else {}
        responses.append({"text": text, "source": str(each.get("model") or ""), "extra": about})
    extra = {name: row[name] for name in ("source", "correct_answers", "incorrect_answers") if name in row}
    return [{"prompt": row["instruction"], "responses": responses, "extra": extra}]


def messages(row: Row, _who: str) -> list[Row]:
    turns = turns_of(row["messages"], "messages")
    if len(turns) < 2 or turns[-1]["role"] != "assistant":
        raise BadRow("wrong_value", "messages", row["messages"], _("a conversation that ends with the assistant's"))
    extra = {name: value for name, value in row.items() if name != "messages"}
    return [{"prompt": turns[:-1], "responses": [{"text": turns[-1]["content"]}], "extra": extra}]


def is_unpaired(row: Row) -> bool:
    return {"prompt", "completion", "label"} <= row.keys() and isinstance(row["label"], bool)


def are_paired(beginning: Iterable[RawRow]) -> bool:
    """Whether somewhere a desirable and an undesirable completion of one prompt stand together."""
    rows = [raw for raw in beginning if not isinstance(raw.data, BadRow)]
    return any(len({each.data["label"] for each in group}) == 2 for group in _together(rows))  # type: ignore[index]


def unpaired(row: Row, _who: str) -> list[Row]:
    """A prompt with one response; its label is kept."""
    extra = {name: value for name, value in row.items() if name not in _UNPAIRED} | {"label": row["label"]}
    response = {"text": completion_of(row), "source": row.get("completion_source"), "id": row.get("completion_id")}
    kept = {name: value for name, value in response.items() if value}
    return [
        {
            "prompt": row["prompt"],
            "topic": row.get("topic"),
            "id": row.get("prompt_id"),
            "responses": [{**kept, "extra": extra}],
        }
    ]


def paired(rows: Iterator[RawRow], who: str) -> Iterator[RawRow]:
    """Judgments from rows of one prompt that stand together. A prompt without both kinds is a refusal: it prefers nothing."""
    for group in _together(rows):
        bad = [each for each in group if isinstance(each.data, BadRow)]
        if bad:
            yield from bad
            continue
        try:
            yield from _judgments(group, who)
        except BadRow as why:
            yield from (replace(each, data=why.with_traceback(None)) for each in group)


def _judgments(group: Sequence[RawRow], who: str) -> Iterator[RawRow]:
    rows: list[tuple[RawRow, Row]] = [(raw, raw.data) for raw in group if not isinstance(raw.data, BadRow)]
    good = [each for each in rows if each[1].get("label") is True]
    bad = [each for each in rows if each[1].get("label") is False]
    if not (good and bad) or len(good) + len(bad) < len(rows):
        raise BadRow(
            "wrong_value",
            "label",
            rows[0][1].get("label"),
            _("true and false among rows of one prompt that stand together"),
        )
    for _raw, better in good:
        for raw, worse in bad:
            texts = completion_of(better), completion_of(worse)
            if texts[0] == texts[1]:
                raise BadRow("same_responses", "completion", texts[0], _("another text than the desirable one"))
            flip = drawn(*texts)
            sides = [
                {"text": text, "id": row.get("completion_id"), "model": row.get("completion_source")}
                for text, row in zip(texts, (better, worse), strict=True)
            ]
            kept = {
                name: better.get(name)
                for name in ("simulated", "rationale", "tags", "topic", "part", "judged_at", "prompt_id")
            }
            extra = {name: value for name, value in better.items() if name not in _UNPAIRED}
            made = {
                "annotator": better.get("annotator") or who,
                "prompt": better["prompt"],
                **sided(sides, flip=flip),
                "preference": "b" if flip else "a",
                "strength": better.get("strength"),
                "extra": extra,
                **kept,
            }
            yield replace(raw, data=stated(made))


def completion_of(row: Row) -> str:
    """A text, or the assistant's message. Raises ``BadRow``."""
    value: Any = row["completion"]
    if isinstance(value, str):
        return value
    turns = turns_of(value, "completion")
    if len(turns) != 1 or turns[0]["role"] != "assistant":
        raise BadRow("wrong_value", "completion", value, _("a text, or one message of the assistant's"))
    return turns[0]["content"]


def _together(rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
    """Rows of one prompt and annotator that stand together, at most ``MOST_TOGETHER``."""
    for _key_of, group in groupby(rows, _key):
        waiting: list[RawRow] = []
        for raw in group:
            waiting.append(raw)
            if len(waiting) == MOST_TOGETHER:
                yield waiting
                waiting = []
        if waiting:
            yield waiting


def _key(raw: RawRow) -> object:
    if isinstance(raw.data, BadRow):
        return raw.line
    return orjson.dumps([raw.data.get(name) for name in ("prompt", "annotator", "prompt_id")])
