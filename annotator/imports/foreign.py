"""Rows in the shapes of other tools and datasets, turned into ours before they are checked.

A shape is told by its fields, and shown as the file's format before anything is written. What has no place of its own is
kept in ``extra``. Rows that say which response was preferred but not on which side it was shown are given sides by a hash
of their texts: a preferred response that was always on the left would teach a pull to the left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from annotator.imports.errors import BadRow
from annotator.imports.reading import RawRow, Row
from annotator.imports.reporting import Shape
from attune.data import flatten_prompt
from attune.errors import BadData
from attune.transcripts import split_transcript

Message = Mapping[str, Any]
_ROLES = {
    "human": "user",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "gpt": "assistant",
    "system": "system",
}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A shape: how to tell it from a row, and how to turn a row into ours. ``who`` judged where a row does not say."""

    name: str
    shape: Shape
    fits: Callable[[Row], bool]
    convert: Callable[[Row, str], list[Row]]


def recognised(row: Row) -> Foreign | None:
    """The shape of a row that is not ours."""
    if "preference" in row or ("prompt" in row and isinstance(row.get("responses"), list)):
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
            yield RawRow(
                raw.line, raw.raw, {name: value for name, value in row.items() if value not in (None, "", {}, [])}
            )


# TRL's preference types, hh-rlhf


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


def _trl(row: Row, who: str) -> list[Row]:
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
            **_sided(sides, flip=_drawn(chosen, rejected)),
            "preference": "tie" if tie else "b" if _drawn(chosen, rejected) else "a",
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
                raise BadRow("wrong_value", name, value, f"a transcript; it {error}") from None
        else:
            turns = _turns(value, name)
            if len(turns) < 2 or turns[-1]["role"] != "assistant":
                raise BadRow("wrong_value", name, value, "messages that end with the assistant's")
            found.append((turns[:-1], turns[-1]["content"]))
    (prompt, one), (other_prompt, other) = found
    if prompt != other_prompt:
        raise BadRow("wrong_value", "rejected", rejected, "the same conversation as chosen up to its last turn")
    return prompt, one, other


def _response(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    turns = _turns(value, name)
    return turns[-1]["content"]


# UltraFeedback, OpenAI messages


def _ultrafeedback(row: Row, _who: str) -> list[Row]:
    completions = _objects(row["completions"], "completions")
    responses: list[Row] = []
    for number, each in enumerate(completions):
        text = each.get("response")
        if not isinstance(text, str):
            raise BadRow("wrong_type", f"completions[{number}].response", text, "a text")
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


def _messages(row: Row, _who: str) -> list[Row]:
    turns = _turns(row["messages"], "messages")
    if len(turns) < 2 or turns[-1]["role"] != "assistant":
        raise BadRow("wrong_value", "messages", row["messages"], "a conversation that ends with the assistant's")
    extra = {name: value for name, value in row.items() if name != "messages"}
    return [{"prompt": turns[:-1], "responses": [{"text": turns[-1]["content"]}], "extra": extra}]


# Chatbot Arena, PRISM


_WINNERS = {"model_a": "a", "model_b": "b", "tie": "tie", "tie (bothbad)": "both_bad"}


def _arena(row: Row, who: str) -> list[Row]:
    a, b = (_turns(row[name], name) for name in ("conversation_a", "conversation_b"))
    same = next((n for n, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
    prompt = a[:same]
    if not prompt or prompt[-1]["role"] != "user":
        raise BadRow(
            "wrong_value", "conversation_b", row["conversation_b"], "a conversation that begins as conversation_a does"
        )
    winner = _WINNERS.get(str(row["winner"]))
    if winner is None:
        raise BadRow("wrong_value", "winner", row["winner"], " or ".join(_WINNERS))
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


def _prism(row: Row, who: str) -> list[Row]:
    """In each turn one of several responses was taken: it is preferred to each of the others."""
    history = _objects(row["conversation_history"], "conversation_history")
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
        raise BadRow("wrong_value", "conversation_history", None, "a turn with a chosen response and another one")
    return made


def _prism_judgment(annotator: str, prompt: list[dict[str, str]], taken: Message, other: Message, turn: int) -> Row:
    chosen, rejected = str(taken["content"]), str(other["content"])
    sides = [
        {"text": text, "id": None, "model": each.get("model_name")}
        for text, each in ((chosen, taken), (rejected, other))
    ]
    scores = {"chosen": taken.get("score"), "rejected": other.get("score"), "turn": turn}
    flip = _drawn(chosen, rejected)
    return {
        "annotator": annotator,
        "prompt": prompt,
        **_sided(sides, flip=flip),
        "preference": "b" if flip else "a",
        "extra": {name: value for name, value in scores.items() if value is not None},
    }


# Label Studio, Argilla


def _label_studio(row: Row, who: str) -> list[Row]:
    data = row["data"]
    if not isinstance(data, Mapping) or not all(isinstance(data.get(name), str) for name in ("text1", "text2")):
        raise BadRow("wrong_value", "data", data, "an object with prompt, text1 and text2")
    made = []
    for number, each in enumerate(_objects(row["annotations"], "annotations")):
        if each.get("was_cancelled") is True:
            continue
        said = _label_studio_said(each, f"annotations[{number}]")
        by = each.get("completed_by")
        name = by.get("email") or by.get("id") if isinstance(by, Mapping) else by
        made.append(
            {
                "annotator": str(name if name is not None else who),
                "prompt": data.get("prompt"),
                "prompt_id": data.get("prompt_id"),
                "topic": data.get("topic"),
                "response_a": data["text1"],
                "response_b": data["text2"],
                "response_a_id": data.get("text1_id"),
                "response_b_id": data.get("text2_id"),
                "judged_at": each.get("created_at"),
                "seconds": each.get("lead_time"),
                **said,
            }
        )
    return made


def _label_studio_said(annotation: Message, where: str) -> Row:
    said: Row = {}
    for result in _objects(annotation.get("result"), f"{where}.result"):
        value = result.get("value")
        if not isinstance(value, Mapping):
            continue
        if result.get("type") == "pairwise":
            said["preference"] = {"left": "a", "right": "b"}.get(str(value.get("selected")))
        elif result.get("type") == "choices" and (choices := value.get("choices")):
            said.setdefault("preference", choices[0] if choices[0] in ("tie", "both_good", "both_bad") else None)
        elif result.get("type") == "rating" and result.get("from_name") == "strength":
            said["strength"] = value.get("rating")
        elif result.get("type") == "textarea":
            texts = value.get("text")
            said["rationale"] = "\n".join(texts) if isinstance(texts, list) else texts
    if not said.get("preference"):
        raise BadRow("missing", f"{where}.result", None, "a pairwise result with left or right selected")
    return said


def _argilla(row: Row, who: str) -> list[Row]:
    fields = row["fields"]
    names = [name for name in fields if name.startswith("response")] if isinstance(fields, Mapping) else []
    if not isinstance(fields, Mapping) or len(names) != 2 or "prompt" not in fields:
        raise BadRow("wrong_value", "fields", fields, "an object with prompt and two fields that begin with response")
    answers = row.get("responses")
    if not isinstance(answers, Mapping):
        raise BadRow("wrong_type", "responses", answers, "an object of lists of answers")
    asked = next((name for name in ("preference", "choice", "label") if name in answers), None)
    if asked is None:
        raise BadRow("missing", "responses.preference", None, "answers to the question preference")
    about = {
        name: {
            str(each.get("user_id")): each.get("value") for each in _objects(answers.get(name, []), f"responses.{name}")
        }
        for name in ("strength", "rationale")
    }
    values = {names[0]: "a", names[1]: "b", "a": "a", "b": "b", "left": "a", "right": "b"}
    metadata = row.get("metadata")
    known = metadata if isinstance(metadata, Mapping) else {}
    ids = str(row.get("id") or "").split("/")
    made = []
    for each in _objects(answers[asked], f"responses.{asked}"):
        user = str(each.get("user_id") or who)
        said = str(each.get("value"))
        made.append(
            {
                "annotator": user,
                "prompt": fields["prompt"],
                "prompt_id": known.get("prompt_id"),
                "topic": known.get("topic"),
                "response_a": fields[names[0]],
                "response_b": fields[names[1]],
                "response_a_id": ids[1] if len(ids) == 3 else None,
                "response_b_id": ids[2] if len(ids) == 3 else None,
                "model_a": known.get("model_a"),
                "model_b": known.get("model_b"),
                "preference": values.get(said, said),
                "strength": about["strength"].get(user),
                "rationale": about["rationale"].get(user),
            }
        )
    return made


FOREIGN: tuple[Foreign, ...] = (
    Foreign(
        "ultrafeedback",
        "prompts",
        lambda row: "instruction" in row and isinstance(row.get("completions"), list),
        _ultrafeedback,
    ),
    Foreign(
        "chatbot arena", "judgments", lambda row: {"conversation_a", "conversation_b", "winner"} <= row.keys(), _arena
    ),
    Foreign("prism", "judgments", lambda row: isinstance(row.get("conversation_history"), list), _prism),
    Foreign("label studio", "judgments", lambda row: {"data", "annotations"} <= row.keys(), _label_studio),
    Foreign("argilla", "judgments", lambda row: {"fields", "responses"} <= row.keys(), _argilla),
    Foreign("trl preference", "judgments", lambda row: {"prompt", "chosen", "rejected"} <= row.keys(), _trl),
    Foreign("trl preference without a prompt", "judgments", lambda row: {"chosen", "rejected"} <= row.keys(), _trl),
    Foreign("openai messages", "prompts", lambda row: isinstance(row.get("messages"), list), _messages),
)
"""In the order in which they are tried."""


# Parts


def _sided(sides: list[Row], *, flip: bool) -> Row:
    a, b = reversed(sides) if flip else sides
    return {
        "response_a": a["text"],
        "response_b": b["text"],
        "response_a_id": a["id"],
        "response_b_id": b["id"],
        "model_a": a["model"],
        "model_b": b["model"],
    }


def _drawn(one: str, other: str) -> bool:
    """Whether the first goes to side b: by chance, and always the same for the same two texts, either way round."""
    low, high = sorted((one, other))
    drawn = hashlib.sha256(f"{low}\0{high}".encode(errors="surrogatepass")).digest()[0] & 1
    return bool(drawn) != (one > other)


def _objects(value: Any, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise BadRow("wrong_type", name, value, "a list of objects")
    return value


def _turns(value: Any, name: str) -> list[dict[str, str]]:
    """A conversation in our roles."""
    turns = []
    for number, each in enumerate(_objects(value, name)):
        role = _ROLES.get(str(each.get("role", each.get("from", ""))).lower())
        content = each.get("content", each.get("value"))
        if role is None or not isinstance(content, str):
            raise BadRow("wrong_value", f"{name}[{number}]", each, "a message with a known role and a text")
        turns.append({"role": role, "content": content})
    if not turns:
        raise BadRow("empty", name, value, "at least one message")
    return turns
