"""Datasets of preferences: TRL's types, hh-rlhf, Chatbot Arena, PRISM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from annotator.imports.errors import BadRow
from annotator.imports.foreign_parts import Message, drawn, objects, sided, turns_of
from annotator.imports.reading import Row
from attune.data import flatten_prompt
from attune.errors import BadData
from attune.transcripts import split_transcript

_TRL = {
    *(
        "prompt",
        "chosen",
        "rejected",
        "annotator",
        "simulated",
        "strength",
        "tie",
        "rationale",
        "tags",
        "topic",
        "part",
    ),
    *("judged_at", "prompt_id", "chosen_id", "rejected_id", "chosen_source", "rejected_source", "margin", "split"),
}


def trl(row: Row, who: str) -> list[Row]:
    if row.get("prompt") is None:
        prompt, chosen, rejected = _common(row["chosen"], row["rejected"])
    else:
        prompt = row["prompt"]
        chosen, rejected = (_response(row[name], name) for name in ("chosen", "rejected"))
    sides = [
        {"text": text, "id": row.get(f"{name}_id"), "model": row.get(f"{name}_source")}
        for name, text in (("chosen", chosen), ("rejected", rejected))
    ]
    tie = row.get("tie") is True
    extra = {name: value for name, value in row.items() if name not in _TRL}
    kept = {name: row.get(name) for name in ("simulated", "rationale", "topic", "part", "judged_at", "prompt_id")}
    return [
        {
            "annotator": row.get("annotator") or who,
            "prompt": prompt,
            **sided(sides, flip=drawn(chosen, rejected)),
            "preference": "tie" if tie else "b" if drawn(chosen, rejected) else "a",
            "strength": None if tie else row.get("strength"),
            "tags": row.get("tags"),
            "extra": extra,
            **kept,
        }
    ]


def _common(chosen: Any, rejected: Any) -> tuple[Any, str, str]:
    """Prompt and both responses of two conversations that differ in their last turn."""
    found = []
    for name, value in (("chosen", chosen), ("rejected", rejected)):
        if isinstance(value, str):
            try:
                found.append(split_transcript(value))
            except BadData as error:
                raise BadRow("wrong_value", name, value, _("a transcript; it %(error)s") % {"error": error}) from None
        else:
            turns = turns_of(value, name)
            if len(turns) < 2 or turns[-1]["role"] != "assistant":
                raise BadRow("wrong_value", name, value, _("messages that end with the assistant's"))
            found.append((turns[:-1], turns[-1]["content"]))
    (prompt, one), (other_prompt, other) = found
    if prompt != other_prompt:
        raise BadRow("wrong_value", "rejected", rejected, _("the same conversation as chosen up to its last turn"))
    return prompt, one, other


def _response(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    turns = turns_of(value, name)
    return turns[-1]["content"]


_WINNERS = {"model_a": "a", "model_b": "b", "tie": "tie", "tie (bothbad)": "both_bad"}


def arena(row: Row, who: str) -> list[Row]:
    a, b = (turns_of(row[name], name) for name in ("conversation_a", "conversation_b"))
    same = next((n for n, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
    prompt = a[:same]
    if not prompt or prompt[-1]["role"] != "user":
        raise BadRow(
            "wrong_value",
            "conversation_b",
            row["conversation_b"],
            _("a conversation that begins as conversation_a does"),
        )
    winner = _WINNERS.get(str(row["winner"]))
    if winner is None:
        raise BadRow("wrong_value", "winner", row["winner"], _(" or ").join(_WINNERS))
    at = row.get("tstamp")
    known = {"conversation_a", "conversation_b", "winner", "model_a", "model_b", "judge", "tstamp"}
    return [
        {
            "annotator": str(row.get("judge") or who),
            "prompt": prompt,
            "response_a": _rest(a[same:]),
            "response_b": _rest(b[same:]),
            "model_a": row.get("model_a"),
            "model_b": row.get("model_b"),
            "preference": winner,
            "judged_at": datetime.fromtimestamp(at, UTC).isoformat() if isinstance(at, int | float) else None,
            "extra": {name: value for name, value in row.items() if name not in known},
        }
    ]


def _rest(turns: Sequence[Mapping[str, str]]) -> str:
    """One answer as it is; what went on differently as a text of all its turns."""
    return turns[0]["content"] if len(turns) == 1 else flatten_prompt(turns)


def prism(row: Row, who: str) -> list[Row]:
    """In each turn one of several responses was taken: it is preferred to each of the others."""
    history = objects(row["conversation_history"], "conversation_history")
    annotator = str(row.get("user_id") or who)
    made: list[Row] = []
    before: list[dict[str, str]] = []
    for turn in sorted({int(each.get("turn", 0)) for each in history}):
        here = [each for each in history if int(each.get("turn", 0)) == turn]
        asked = next((each for each in here if each.get("role") == "user"), None)
        answers = [each for each in here if each.get("role") == "model"]
        taken = next((each for each in answers if each.get("if_chosen") is True), None)
        if asked is None or taken is None:
            break
        prompt = [*before, {"role": "user", "content": str(asked["content"])}]
        others = [each for each in answers if each is not taken and each.get("content") != taken.get("content")]
        made += [_prism_judgment(annotator, prompt, taken, other, turn) for other in others]
        before = [*prompt, {"role": "assistant", "content": str(taken["content"])}]
    if not made:
        raise BadRow("wrong_value", "conversation_history", None, _("a turn with a chosen response and another one"))
    return made


def _prism_judgment(annotator: str, prompt: list[dict[str, str]], taken: Message, other: Message, turn: int) -> Row:
    chosen, rejected = str(taken["content"]), str(other["content"])
    sides = [
        {"text": text, "id": None, "model": each.get("model_name")}
        for text, each in ((chosen, taken), (rejected, other))
    ]
    scores = {"chosen": taken.get("score"), "rejected": other.get("score"), "turn": turn}
    flip = drawn(chosen, rejected)
    return {
        "annotator": annotator,
        "prompt": prompt,
        **sided(sides, flip=flip),
        "preference": "b" if flip else "a",
        "extra": {name: value for name, value in scores.items() if value is not None},
    }
