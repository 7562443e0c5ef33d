"""A project's judgments as rows of a dataset, in the forms that trainers and other annotation tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import orjson
from django.db import connection, transaction

from annotator.exports.dataset_options import DatasetOptions, Form, Pseudonyms
from annotator.exports.dataset_said import (
    BY_PERSON,
    BY_PERSON_AND_PROMPT,
    CHUNK,
    JUDGED,
    PROMPTS,
    SPANS,
    Row,
    Said,
    as_answer,
    batches_of,
    id_of,
    kept,
    moment_of,
    order_of,
    said_of,
    source_of,
    sources_of,
    tail_of,
    text_of,
)
from annotator.exports.dataset_tools import argilla, label_studio
from annotator.exports.options import Tally
from annotator.exports.rankings import ranking_rows
from annotator.exports.splitting import splitter
from annotator.models import Project


def dataset_rows(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """The rows of the dataset, from a cursor; flat in memory. What is left out is counted by why."""
    builders: dict[Form, Callable[[Project, DatasetOptions, Tally], Iterator[Row]]] = {
        "prompts": _prompts,
        "ranked": _ranked,
        "spans": _spans,
        "contexts": _contexts,
        "label_studio": label_studio,
        "argilla": argilla,
    }
    for row in builders.get(options.form, _one_by_one)(project, options, tally):
        tally.rows += 1
        yield row


# One judgment, one row (or two)


def _one_by_one(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    names, split = Pseudonyms(project, options), splitter(project, options)
    answers = options.form == "rationales"
    for each in kept(said_of(project, JUDGED, options), options, tally, answers=answers):
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
    for chosen, rejected in [("a", "b"), ("b", "a")] if tie else [order_of(each.choice)]:
        prompt = orjson.loads(each.messages)
        answers = [as_answer(text_of(each, side)) for side in (chosen, rejected)]
        if form == "preference":
            row: Row = {"prompt": prompt, "chosen": answers[0], "rejected": answers[1]}
        else:
            row = {"chosen": prompt + answers[0], "rejected": prompt + answers[1]}
        if form == "reward":
            row["margin"] = 0.0 if tie else float(each.strength or 1)
        tags = [tag["tag"] for tag in orjson.loads(each.tags)]
        reasons = {"strength": each.strength, "tie": tie, "rationale": each.rationale, "tags": tags}
        ids = {"chosen_id": id_of(each, chosen), "rejected_id": id_of(each, rejected)}
        sources = {"chosen_source": source_of(each, chosen), "rejected_source": source_of(each, rejected)}
        yield {**row, **who, **reasons, **ids, **sources, **sources_of(each, chosen, rejected), **tail_of(each, split)}


def _kto(each: Said, who: Row, split: str) -> Iterator[Row]:
    for side in ("a", "b"):
        yield {
            "prompt": orjson.loads(each.messages),
            "completion": as_answer(text_of(each, side)),
            "label": each.choice in (side, "both_good"),
            **who,
            "strength": each.strength,
            "response_id": id_of(each, side),
            **tail_of(each, split),
        }


def _sft(each: Said, who: Row, split: str) -> Iterator[Row]:
    yield {
        "prompt": orjson.loads(each.messages),
        "completion": as_answer(text_of(each, each.choice)),
        **who,
        "strength": each.strength,
        "response_id": id_of(each, each.choice),
        **tail_of(each, split),
    }


def _rationale(each: Said, who: Row, split: str) -> Iterator[Row]:
    reasons = orjson.loads(each.tags)
    if not each.rationale and not reasons:
        return
    turned = {"a": "b", "b": "a"} if each.swapped else {}
    left, right = ("b", "a") if each.swapped else ("a", "b")
    yield {
        "prompt": orjson.loads(each.messages),
        "response_a": text_of(each, left),
        "response_b": text_of(each, right),
        "choice": turned.get(each.choice, each.choice),
        "rationale": each.rationale,
        "reasons": [{**tag, "side": turned.get(tag["side"], tag["side"])} for tag in reasons],
        **who,
        "strength": each.strength,
        **tail_of(each, split),
    }


# Many judgments, one row


def _prompts(project: Project, options: DatasetOptions, _tally: Tally) -> Iterator[Row]:
    split = splitter(project, options)
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(PROMPTS, [project.pk])
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
    said = kept(said_of(project, BY_PERSON_AND_PROMPT, options), options, tally, answers=True)
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
            **tail_of(last, split(last.annotator, last.prompt_digest, last.judged_at)),
        }


def _wins(rows: Sequence[Said]) -> tuple[dict[str, str], dict[str, float]]:
    texts: dict[str, str] = {}
    wins: dict[str, float] = {}
    for each in rows:
        for side in ("a", "b"):
            key = id_of(each, side)
            texts[key] = text_of(each, side)
            gained = 1.0 if each.choice == side else 0.0 if each.choice in ("a", "b") else 0.5
            wins[key] = wins.get(key, 0.0) + gained
    return texts, wins


def _agrees(each: Said, ranks: dict[str, int]) -> bool:
    a, b = ranks[each.a_id], ranks[each.b_id]
    return a < b if each.choice == "a" else b < a if each.choice == "b" else a == b


def _contexts(project: Project, options: DatasetOptions, tally: Tally) -> Iterator[Row]:
    """A row for each annotator: what few-shot and variational models take in."""
    names, split = Pseudonyms(project, options), splitter(project, options)
    said = kept(said_of(project, BY_PERSON, options), options, tally)
    for _, group in groupby(said, key=attrgetter("annotator")):
        rows = list(group)
        judgments = [
            {
                "prompt": orjson.loads(each.messages),
                "chosen": text_of(each, "a" if tie else each.choice),
                "rejected": text_of(each, "b" if tie else order_of(each.choice)[1]),
                "strength": each.strength,
                "tie": tie,
                "judged_at": moment_of(each),
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
    said = kept(said_of(project, JUDGED, options), options, tally, answers=True)
    for batch in batches_of(said, CHUNK):
        by_judgment: dict[int, list[Any]] = {}
        with connection.cursor() as cursor:
            cursor.execute(SPANS, [[each.judgment for each in batch]])
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
                    **tail_of(each, split(each.annotator, each.prompt_digest, each.judged_at)),
                }
