"""Rows in the shapes of other tools and datasets, turned into ours before they are checked.

A shape is told by its fields, and shown as the file's format before anything is written. What has no place of its own is
kept in ``extra``. Rows that say which response was preferred but not on which side it was shown are given sides by a hash
of their texts: a preferred response that was always on the left would teach a pull to the left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from annotator.imports.errors import BadRow
from annotator.imports.foreign_datasets import arena, prism, trl
from annotator.imports.foreign_parts import stated
from annotator.imports.foreign_prompts import is_unpaired, messages, ultrafeedback, unpaired
from annotator.imports.foreign_tools import argilla, label_studio
from annotator.imports.reading import RawRow, Row
from annotator.imports.reporting import Shape

UNPAIRED = "trl unpaired"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A shape: how to tell it from a row, and how to turn a row into ours. ``who`` judged where a row does not say."""

    name: str
    shape: Shape
    fits: Callable[[Row], bool]
    convert: Callable[[Row, str], list[Row]]


def recognised(row: Row) -> Foreign | None:
    """The shape of a row that is not ours."""
    if "preference" in row or "kind" in row or ("prompt" in row and isinstance(row.get("responses"), list)):
        return None
    return next((each for each in FOREIGN if each.fits(row)), None)


def converted(rows: Iterator[RawRow], foreign: Foreign, who: str) -> Iterator[RawRow]:
    """Our rows; one of theirs may make several, or a refusal. All of them keep its line."""
    for raw in rows:
        if isinstance(raw.data, BadRow):
            yield raw
            continue
        try:
            made = foreign.convert(raw.data, who)
        except BadRow as bad:
            yield replace(raw, data=bad.with_traceback(None))
            continue
        for row in made:
            yield RawRow(raw.line, raw.raw, stated(row))


FOREIGN: tuple[Foreign, ...] = (
    Foreign(
        "ultrafeedback",
        "prompts",
        lambda row: "instruction" in row and isinstance(row.get("completions"), list),
        ultrafeedback,
    ),
    Foreign(
        "chatbot arena", "judgments", lambda row: {"conversation_a", "conversation_b", "winner"} <= row.keys(), arena
    ),
    Foreign("prism", "judgments", lambda row: isinstance(row.get("conversation_history"), list), prism),
    Foreign("label studio", "judgments", lambda row: {"data", "annotations"} <= row.keys(), label_studio),
    Foreign("argilla", "judgments", lambda row: {"fields", "responses"} <= row.keys(), argilla),
    Foreign("trl preference", "judgments", lambda row: {"prompt", "chosen", "rejected"} <= row.keys(), trl),
    Foreign("trl preference without a prompt", "judgments", lambda row: {"chosen", "rejected"} <= row.keys(), trl),
    Foreign(UNPAIRED, "prompts", is_unpaired, unpaired),
    Foreign("openai messages", "prompts", lambda row: isinstance(row.get("messages"), list), messages),
)
"""In the order in which they are tried."""
