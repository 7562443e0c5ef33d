"""A project's judgments as rows of a dataset, in the forms that trainers and other annotation tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction

from annotator.exports.dataset_options import DatasetOptions, Form, Pseudonyms
from annotator.exports.options import Tally
from annotator.exports.rankings import ranking_rows
from annotator.exports.rows import AGAIN, beside_of, look_left_out
from annotator.exports.splitting import splitter
from annotator.models import HINDSIGHT, Project
from annotator.selectors.content import beside

CHUNK = 500
Row = dict[str, Any]
Message = dict[str, str]


class Said(NamedTuple):
    """A judgment as the query gives it; JSON columns are text."""

    judgment: int
    annotator: str
    simulated: bool
    in_training: bool
    dropped: bool
    flagged: bool
    prompt_id: str
    prompt_digest: str
    messages: str
    topic: str
    pair: int
    a_id: str
    a: str
    a_source: str
    b_id: str
    b: str
    b_source: str
    choice: str
    strength: int | None
    swapped: bool
    occasion: int
    rationale: str
    tags: str
    judged_at: datetime
    seconds: float | None
    again: bool
    a_beside: str | None
    b_beside: str | None


_QUERY = f"""
SELECT j.id, n.ref, n.simulated, n.in_training, n.dropped_at IS NOT NULL,
       q.id IN (SELECT fj.pair_id FROM annotator_flag f JOIN annotator_judgment fj ON fj.id = f.judgment_id
                 WHERE fj.project_id = %(project)s AND fj.current AND NOT fj.withdrawn),
       p.ref, p.digest, p.messages::text, p.topic, q.id,
       a.ref, a.text, a.source, b.ref, b.text, b.source, j.choice, j.strength, j.swapped, j.occasion,
       coalesce(r.text, ''), coalesce(r.tags::text, '[]'), j.judged_at, j.seconds, {{again}}, {beside("a")}, {beside("b")}
  FROM annotator_judgment j
  JOIN annotator_annotator n ON n.id = j.annotator_id
  JOIN annotator_pair q ON q.id = j.pair_id
  JOIN annotator_prompt p ON p.id = q.prompt_id
  JOIN annotator_response a ON a.id = q.response_a_id
  JOIN annotator_response b ON b.id = q.response_b_id
  LEFT JOIN annotator_rationale r ON r.judgment_id = j.id
 WHERE j.project_id = %(project)s AND j.current AND NOT j.withdrawn
 ORDER BY {{order}}
"""
_SPANS = """
SELECT s.judgment_id, x.ref, s.start, s."end", s.quote, s.good, s.tag, s.comment, x.id = q.response_a_id
  FROM annotator_span s JOIN annotator_response x ON x.id = s.response_id
  JOIN annotator_judgment j ON j.id = s.judgment_id JOIN annotator_pair q ON q.id = j.pair_id
 WHERE s.judgment_id = ANY(%s) ORDER BY s.judgment_id, s.id
"""
_PROMPTS = """
SELECT p.ref, p.digest, p.messages::text, p.topic FROM annotator_prompt p WHERE p.project_id = %s ORDER BY p.id
"""
_BOTH = {"both_good": "both good", "both_bad": "both bad"}
JUDGED, _BY_PERSON, _BY_PERSON_AND_PROMPT, _BY_PAIR = (
    "j.id",
    "j.annotator_id, j.judged_at, j.id",
    "q.prompt_id, j.annotator_id, j.id",
    "j.pair_id, j.id",
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its type: text, flag, whole, real, messages, texts, wholes, reals, or json (anything else)."""

    name: str
    type: str
    about: str


_ABOUT = (
    Column("annotator", "text", "Who judged; a pseudonym that only this dataset uses, unless it says otherwise."),
    Column("simulated", "flag", "A program's judgment."),
)
_TAIL = (
    Column("topic", "text", "Of the prompt."),
    Column("judged_at", "text", "When, ISO 8601, UTC."),
    Column("prompt_id", "text", "The owner's id of the prompt."),
    Column("split", "text", "train, validation or test."),
)
_REASONS = (
    Column("strength", "whole", "1 slightly, 2 clearly, 3 much; null where it was not said."),
    Column("tie", "flag", "No preference: the row is also there with the sides turned."),
    Column("rationale", "text", "Why, in the annotator's words."),
    Column("tags", "texts", "Reason tags."),
)
_SOURCES = (
    Column("chosen_id", "text", "The owner's id of the response."),
    Column("rejected_id", "text", "The owner's id of the response."),
    Column("chosen_source", "text", "What wrote it."),
    Column("rejected_source", "text", "What wrote it."),
    Column("chosen_picture", "text", "Name of its picture; the response’s text then says what it shows."),
    Column("rejected_picture", "text", "Name of its picture; the response’s text then says what it shows."),
    Column("chosen_after", "messages", "How the conversation went on after it, if the pair sat in the middle of one."),
    Column(
        "rejected_after", "messages", "How the conversation went on after it, if the pair sat in the middle of one."
    ),
    Column("hindsight", "flag", "Given after what came of following the responses was shown."),
)
_PROMPT = Column("prompt", "messages", "The conversation so far.")
COLUMNS: dict[Form, tuple[Column, ...]] = {
    "preference": (
        _PROMPT,
        Column("chosen", "messages", "The preferred response."),
        Column("rejected", "messages", "The other one."),
        *(*_ABOUT, *_REASONS, *_SOURCES, *_TAIL),
    ),
    "implicit": (
        Column("chosen", "messages", "The conversation with the preferred response."),
        Column("rejected", "messages", "The conversation with the other one."),
        *(*_ABOUT, *_REASONS, *_SOURCES, *_TAIL),
    ),
    "reward": (
        Column("chosen", "messages", "The conversation with the preferred response."),
        Column("rejected", "messages", "The conversation with the other one."),
        Column(
            "margin", "real", "By how much, from what was said of the strength: 1, 2, 3; 0 for a tie; 1 if not said."
        ),
        *(*_ABOUT, *_REASONS, *_SOURCES, *_TAIL),
    ),
    "kto": (
        _PROMPT,
        Column("completion", "messages", "One response."),
        Column("label", "flag", "Whether it was the preferred one."),
        *(*_ABOUT, Column("strength", "whole", "1 to 3, or null."), Column("response_id", "text", "The owner's id.")),
        *_TAIL,
    ),
    "sft": (
        _PROMPT,
        Column("completion", "messages", "The preferred response."),
        *(*_ABOUT, Column("strength", "whole", "1 to 3, or null."), Column("response_id", "text", "The owner's id.")),
        *_TAIL,
    ),
    "prompts": (
        _PROMPT,
        Column("topic", "text", "Of the prompt."),
        Column("prompt_id", "text", "The owner's id of the prompt."),
        Column("split", "text", "train, validation or test."),
    ),
    "ranked": (
        _PROMPT,
        Column("completions", "texts", "The responses that this annotator put in order, or compared, best first."),
        Column("ranks", "wholes", "1 is best; equal ranks were not told apart."),
        Column("wins", "reals", "Comparisons won, ties counting half."),
        *(*_ABOUT, Column("consistent", "flag", "No two of the comparisons contradict the order."), *_TAIL),
    ),
    "rationales": (
        _PROMPT,
        Column("response_a", "text", "As it was shown on the left."),
        Column("response_b", "text", "As it was shown on the right."),
        Column("choice", "text", "a, b, tie, both_good or both_bad, on the sides as shown."),
        Column("rationale", "text", "Why, in the annotator's words."),
        Column("reasons", "json", "Reason tags with their side and sign, on the sides as shown."),
        *(*_ABOUT, Column("strength", "whole", "1 to 3, or null."), *_TAIL),
    ),
    "spans": (
        _PROMPT,
        Column("response", "text", "The response's source text."),
        Column("start", "whole", "First code point of the stretch."),
        Column("end", "whole", "One past its last."),
        Column("quote", "text", "What stands there."),
        Column("good", "flag", "Marked as good, or as bad."),
        Column("tag", "text", "The reason."),
        Column("comment", "text", "In the annotator's words."),
        *(*_ABOUT, Column("response_id", "text", "The owner's id."), *_TAIL),
    ),
    "contexts": (
        Column(
            "annotator", "text", "Whose judgments; a pseudonym that only this dataset uses, unless it says otherwise."
        ),
        Column("simulated", "flag", "A program."),
        Column("count", "whole", "How many judgments."),
        Column(
            "judgments", "json", "In the order of judging: prompt, chosen, rejected, strength, tie, judged_at, split."
        ),
        Column("split", "text", "train, validation or test; by annotator only."),
    ),
    "label_studio": (),
    "argilla": (),
}


def dataset_rows(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """The rows of the dataset, from a cursor; flat in memory. What is left out is counted by why."""
    builders: dict[Form, Callable[[Project, DatasetOptions, Tally], Iterator[Row]]] = {
        "prompts": _prompts,
        "ranked": _ranked,
        "spans": _spans,
        "contexts": _contexts,
        "label_studio": _label_studio,
        "argilla": _argilla,
    }
    for row in builders.get(options.form, _one_by_one)(project, options, tally):
        tally.rows += 1
        yield row


def said_of(project: Project, order: str, options: DatasetOptions) -> Iterator[Said]:
    """Judgments that stand, from a cursor, in one of the orders above."""
    again = AGAIN if options.hindsight == "hindsight" else "false"
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_QUERY.format(order=order, again=again), {"project": project.pk})
        while found := cursor.fetchmany(CHUNK):
            yield from map(Said._make, found)


def _kept(rows: Iterable[Said], options: DatasetOptions, tally: Tally, *, answers: bool = False) -> Iterator[Said]:
    """Those that the options let through. ``answers``: also ties and both bad, which this form has a place for."""
    for each in rows:
        reason = _left_out(each, options) or ("" if answers else _no_preference(each, options))
        if reason:
            tally.left_out[reason] += 1
        else:
            yield each


def _left_out(each: Said, options: DatasetOptions) -> str:
    if each.choice == "skip":
        return "skipped"
    if options.people == "training" and not each.in_training:
        return "by annotators who are not in training"
    if options.failed_checks == "drop" and each.dropped:
        return "by annotators who failed the checks"
    if (options.simulated == "exclude" and each.simulated) or (options.simulated == "only" and not each.simulated):
        return "by simulated annotators" if each.simulated else "by people"
    if options.flagged == "drop" and each.flagged:
        return "of flagged pairs"
    look = look_left_out(each.occasion, each.again, options.hindsight)
    return "" if look == "hidden repeats" and options.repeats == "keep" else look


def _no_preference(each: Said, options: DatasetOptions) -> str:
    if each.choice in _BOTH:
        decision = options.both_bad if each.choice == "both_bad" else options.both_good
        tied = decision == "tie" and (options.form == "kto" or (options.ties == "both" and options.form != "sft"))
        return "" if tied else _BOTH[each.choice]
    tied = options.ties == "both" and options.form not in ("kto", "sft")
    return "" if each.choice != "tie" or tied else "ties"


# One judgment, one row (or two)


def _one_by_one(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    names, split = Pseudonyms(project, options), splitter(project, options)
    answers = options.form == "rationales"
    for each in _kept(said_of(project, JUDGED, options), options, tally, answers=answers):
        who = {"annotator": names.of(each.annotator), "simulated": each.simulated}
        yield from _rows_of(each, options.form, who, split(each.annotator, each.prompt_digest, each.judged_at))


def _rows_of(each: Said, form: Form, who: Row, split: str) -> Iterator[Row]:
    if form == "kto":
        return _kto(each, who, split)
    if form == "sft":
        return _sft(each, who, split)
    return _rationale(each, who, split) if form == "rationales" else _preference(each, form, who, split)


def _preference(each: Said, form: Form, who: Row, split: str) -> Iterator[Row]:
    tie = each.choice not in ("a", "b")
    for chosen, rejected in [("a", "b"), ("b", "a")] if tie else [_order(each.choice)]:
        prompt = orjson.loads(each.messages)
        answers = [_answer(_text(each, side)) for side in (chosen, rejected)]
        if form == "preference":
            row: Row = {"prompt": prompt, "chosen": answers[0], "rejected": answers[1]}
        else:
            row = {"chosen": prompt + answers[0], "rejected": prompt + answers[1]}
        if form == "reward":
            row["margin"] = 0.0 if tie else float(each.strength or 1)
        tags = [tag["tag"] for tag in orjson.loads(each.tags)]
        reasons = {"strength": each.strength, "tie": tie, "rationale": each.rationale, "tags": tags}
        ids = {"chosen_id": _id(each, chosen), "rejected_id": _id(each, rejected)}
        sources = {"chosen_source": _source(each, chosen), "rejected_source": _source(each, rejected)}
        yield {**row, **who, **reasons, **ids, **sources, **_beside(each, chosen, rejected), **_tail(each, split)}


def _kto(each: Said, who: Row, split: str) -> Iterator[Row]:
    for side in ("a", "b"):
        yield {
            "prompt": orjson.loads(each.messages),
            "completion": _answer(_text(each, side)),
            "label": each.choice in (side, "both_good"),
            **who,
            "strength": each.strength,
            "response_id": _id(each, side),
            **_tail(each, split),
        }


def _sft(each: Said, who: Row, split: str) -> Iterator[Row]:
    yield {
        "prompt": orjson.loads(each.messages),
        "completion": _answer(_text(each, each.choice)),
        **who,
        "strength": each.strength,
        "response_id": _id(each, each.choice),
        **_tail(each, split),
    }


def _rationale(each: Said, who: Row, split: str) -> Iterator[Row]:
    reasons = orjson.loads(each.tags)
    if not each.rationale and not reasons:
        return
    turned = {"a": "b", "b": "a"} if each.swapped else {}
    left, right = ("b", "a") if each.swapped else ("a", "b")
    yield {
        "prompt": orjson.loads(each.messages),
        "response_a": _text(each, left),
        "response_b": _text(each, right),
        "choice": turned.get(each.choice, each.choice),
        "rationale": each.rationale,
        "reasons": [{**tag, "side": turned.get(tag["side"], tag["side"])} for tag in reasons],
        **who,
        "strength": each.strength,
        **_tail(each, split),
    }


# Many judgments, one row


def _prompts(project: Project, options: DatasetOptions, _tally: Tally) -> Iterator[Row]:
    split = splitter(project, options)
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_PROMPTS, [project.pk])
        while found := cursor.fetchmany(CHUNK):
            for ref, digest, messages, topic in found:
                yield {
                    "prompt": orjson.loads(messages),
                    "topic": topic,
                    "prompt_id": ref,
                    "split": split("", digest, None) if options.split == "prompt" else "train",
                }


def _ranked(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """Rankings as they were given; then, by each annotator, the responses to a prompt in the order of the comparisons that
    they won (Copeland)."""
    yield from ranking_rows(project, options, tally)
    names, split = Pseudonyms(project, options), splitter(project, options)
    said = _kept(said_of(project, _BY_PERSON_AND_PROMPT, options), options, tally, answers=True)
    for _, group in groupby(said, key=lambda each: (each.prompt_id, each.annotator)):
        rows = list(group)
        last = rows[-1]
        texts, wins = _wins(rows)
        order = sorted(texts, key=lambda key: (-wins[key], key))
        ranks = {key: 1 + sum(wins[other] > wins[key] for other in texts) for key in texts}
        yield {
            "prompt": orjson.loads(last.messages),
            "completions": [texts[key] for key in order],
            "ranks": [ranks[key] for key in order],
            "wins": [wins[key] for key in order],
            "annotator": names.of(last.annotator),
            "simulated": last.simulated,
            "consistent": all(_agrees(each, ranks) for each in rows),
            **_tail(last, split(last.annotator, last.prompt_digest, last.judged_at)),
        }


def _wins(rows: Sequence[Said]) -> tuple[dict[str, str], dict[str, float]]:
    texts: dict[str, str] = {}
    wins: dict[str, float] = {}
    for each in rows:
        for side in ("a", "b"):
            key = _id(each, side)
            texts[key] = _text(each, side)
            gained = 1.0 if each.choice == side else 0.0 if each.choice in ("a", "b") else 0.5
            wins[key] = wins.get(key, 0.0) + gained
    return texts, wins


def _agrees(each: Said, ranks: dict[str, int]) -> bool:
    a, b = ranks[each.a_id], ranks[each.b_id]
    return a < b if each.choice == "a" else b < a if each.choice == "b" else a == b


def _contexts(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """A row for each annotator: what few-shot and variational models take in."""
    names, split = Pseudonyms(project, options), splitter(project, options)
    said = _kept(said_of(project, _BY_PERSON, options), options, tally)
    for _, group in groupby(said, key=attrgetter("annotator")):
        rows = list(group)
        judgments = [
            {
                "prompt": orjson.loads(each.messages),
                "chosen": _text(each, "a" if tie else each.choice),
                "rejected": _text(each, "b" if tie else _order(each.choice)[1]),
                "strength": each.strength,
                "tie": tie,
                "judged_at": _moment(each),
                "split": split(each.annotator, each.prompt_digest, each.judged_at),
            }
            for each in rows
            for tie in [each.choice not in ("a", "b")]
        ]
        yield {
            "annotator": names.of(rows[0].annotator),
            "simulated": rows[0].simulated,
            "count": len(judgments),
            "judgments": judgments,
            "split": judgments[0]["split"] if options.split == "annotator" else "train",
        }


def _spans(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    names, split = Pseudonyms(project, options), splitter(project, options)
    said = _kept(said_of(project, JUDGED, options), options, tally, answers=True)
    for batch in _batches(said, CHUNK):
        by_judgment: dict[int, list[Any]] = {}
        with connection.cursor() as cursor:
            cursor.execute(_SPANS, [[each.judgment for each in batch]])
            for judgment, *rest in cursor.fetchall():
                by_judgment.setdefault(judgment, []).append(rest)
        for each in batch:
            for ref, start, end, quote, good, tag, comment, is_a in by_judgment.get(each.judgment, ()):
                yield {
                    "prompt": orjson.loads(each.messages),
                    "response": each.a if is_a else each.b,
                    "start": start,
                    "end": end,
                    "quote": quote,
                    "good": good,
                    "tag": tag,
                    "comment": comment,
                    "annotator": names.of(each.annotator),
                    "simulated": each.simulated,
                    "response_id": ref,
                    **_tail(each, split(each.annotator, each.prompt_digest, each.judged_at)),
                }


# As other annotation tools have it


def _label_studio(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """A task for each pair, an annotation for each judgment; ties and both bad as choices beside the comparison."""
    names = Pseudonyms(project, options)
    said = _kept(said_of(project, _BY_PAIR, options), options, tally, answers=True)
    for _, group in groupby(said, key=attrgetter("pair")):
        rows = list(group)
        first = rows[0]
        yield {
            "data": {
                "prompt": _flat(first),
                "text1": first.a,
                "text2": first.b,
                "prompt_id": first.prompt_id,
                "text1_id": first.a_id,
                "text2_id": first.b_id,
                "topic": first.topic,
            },
            "annotations": [
                {
                    "result": _results(each),
                    "completed_by": names.of(each.annotator),
                    "created_at": _moment(each),
                    "lead_time": each.seconds,
                }
                for each in rows
            ],
        }


def _results(each: Said) -> list[Row]:
    compare = {"from_name": "pairwise", "to_name": "text1,text2"}
    about = {"to_name": "prompt"}
    if each.choice in ("a", "b"):
        selected = "left" if each.choice == "a" else "right"
        results: list[Row] = [{**compare, "type": "pairwise", "value": {"selected": selected}}]
    else:
        results = [{**about, "from_name": "no_preference", "type": "choices", "value": {"choices": [each.choice]}}]
    if each.strength:
        results.append({**about, "from_name": "strength", "type": "rating", "value": {"rating": each.strength}})
    if each.rationale:
        results.append({**about, "from_name": "rationale", "type": "textarea", "value": {"text": [each.rationale]}})
    return results


def _argilla(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """A record for each pair, with every annotator's responses to the questions ``preference`` and ``rationale``."""
    names = Pseudonyms(project, options)
    said = _kept(said_of(project, _BY_PAIR, options), options, tally, answers=True)
    for _, group in groupby(said, key=attrgetter("pair")):
        rows = list(group)
        first = rows[0]
        users = [names.of(each.annotator) for each in rows]
        preference = [{"value": each.choice, "user_id": who} for each, who in zip(rows, users, strict=True)]
        strength = [{"value": e.strength, "user_id": who} for e, who in zip(rows, users, strict=True) if e.strength]
        rationale = [{"value": e.rationale, "user_id": who} for e, who in zip(rows, users, strict=True) if e.rationale]
        answered = {"preference": preference, "strength": strength, "rationale": rationale}
        yield {
            "id": f"{first.prompt_id}/{first.a_id}/{first.b_id}",
            "fields": {"prompt": _flat(first), "response_a": first.a, "response_b": first.b},
            "metadata": {
                "topic": first.topic,
                "prompt_id": first.prompt_id,
                "model_a": first.a_source,
                "model_b": first.b_source,
            },
            "suggestions": {},
            "responses": {question: answers for question, answers in answered.items() if answers},
            "status": "completed",
        }


# Parts


def _order(choice: str) -> tuple[str, str]:
    return ("a", "b") if choice == "a" else ("b", "a")


def _text(each: Said, side: str) -> str:
    return each.a if side == "a" else each.b


def _id(each: Said, side: str) -> str:
    return each.a_id if side == "a" else each.b_id


def _source(each: Said, side: str) -> str:
    return each.a_source if side == "a" else each.b_source


def _beside(each: Said, chosen: str, rejected: str) -> Row:
    found = {"a": beside_of(each.a_beside), "b": beside_of(each.b_beside)}
    return {
        "chosen_picture": found[chosen].picture,
        "rejected_picture": found[rejected].picture,
        "chosen_after": found[chosen].after,
        "rejected_after": found[rejected].after,
        "hindsight": each.occasion == HINDSIGHT,
    }


def _answer(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def _flat(each: Said) -> str:
    turns: list[Message] = orjson.loads(each.messages)
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def _moment(each: Said) -> str:
    return each.judged_at.astimezone(UTC).isoformat()


def _tail(each: Said, split: str) -> Row:
    return {"topic": each.topic, "judged_at": _moment(each), "prompt_id": each.prompt_id, "split": split}


def _batches(rows: Iterable[Said], size: int) -> Iterator[list[Said]]:
    batch: list[Said] = []
    for each in rows:
        batch.append(each)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
