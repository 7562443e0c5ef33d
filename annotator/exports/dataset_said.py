"""What datasets are made of: judgments that stand, from a cursor, less what the options leave out, and parts of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.utils.translation import gettext_noop

from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.options import Tally
from annotator.exports.rows import AGAIN, beside_of, look_left_out
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
SPANS = """
SELECT s.judgment_id, x.ref, s.start, s."end", s.quote, s.good, s.tag, s.comment, x.id = q.response_a_id
  FROM annotator_span s JOIN annotator_response x ON x.id = s.response_id
  JOIN annotator_judgment j ON j.id = s.judgment_id JOIN annotator_pair q ON q.id = j.pair_id
 WHERE s.judgment_id = ANY(%s) ORDER BY s.judgment_id, s.id
"""
PROMPTS = """
SELECT p.ref, p.digest, p.messages::text, p.topic FROM annotator_prompt p WHERE p.project_id = %s ORDER BY p.id
"""
_BOTH = {"both_good": gettext_noop("both good"), "both_bad": gettext_noop("both bad")}
JUDGED, BY_PERSON, BY_PERSON_AND_PROMPT, BY_PAIR = (
    "j.id",
    "j.annotator_id, j.judged_at, j.id",
    "q.prompt_id, j.annotator_id, j.id",
    "j.pair_id, j.id",
)


def said_of(project: Project, order: str, options: DatasetOptions) -> Iterator[Said]:
    """Judgments that stand, from a cursor, in one of the orders above."""
    again = AGAIN if options.hindsight == "hindsight" else "false"
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_QUERY.format(order=order, again=again), {"project": project.pk})
        while found := cursor.fetchmany(CHUNK):
            yield from map(Said._make, found)


def kept(rows: Iterable[Said], options: DatasetOptions, tally: Tally, *, answers: bool = False) -> Iterator[Said]:
    """Those that the options let through. ``answers``: also ties and both bad, which this form has a place for."""
    for each in rows:
        reason = _left_out(each, options) or ("" if answers else _no_preference(each, options))
        if reason:
            tally.left_out[reason] += 1
        else:
            yield each


def _left_out(each: Said, options: DatasetOptions) -> str:
    if each.choice == "skip":
        return gettext_noop("skipped")
    if options.people == "training" and not each.in_training:
        return gettext_noop("by annotators who are not in training")
    if options.failed_checks == "drop" and each.dropped:
        return gettext_noop("by annotators who failed the checks")
    if (options.simulated == "exclude" and each.simulated) or (options.simulated == "only" and not each.simulated):
        return gettext_noop("by simulated annotators") if each.simulated else gettext_noop("by people")
    if options.flagged == "drop" and each.flagged:
        return gettext_noop("of flagged pairs")
    return unwanted_look(each.occasion, again=each.again, options=options)


def unwanted_look(occasion: int, *, again: bool, options: DatasetOptions) -> str:
    """Why a look is left out, as ``look_left_out`` says it; empty if the options want it."""
    look = look_left_out(occasion, again, options.hindsight)
    return "" if look == "hidden repeats" and options.repeats == "keep" else look


def _no_preference(each: Said, options: DatasetOptions) -> str:
    if each.choice in _BOTH:
        decision = options.both_bad if each.choice == "both_bad" else options.both_good
        tied = decision == "tie" and (options.form == "kto" or (options.ties == "both" and options.form != "sft"))
        return "" if tied else _BOTH[each.choice]
    tied = options.ties == "both" and options.form not in ("kto", "sft")
    return "" if each.choice != "tie" or tied else gettext_noop("ties")


def order_of(choice: str) -> tuple[str, str]:
    return ("a", "b") if choice == "a" else ("b", "a")


def text_of(each: Said, side: str) -> str:
    return each.a if side == "a" else each.b


def id_of(each: Said, side: str) -> str:
    return each.a_id if side == "a" else each.b_id


def source_of(each: Said, side: str) -> str:
    return each.a_source if side == "a" else each.b_source


def sources_of(each: Said, chosen: str, rejected: str) -> Row:
    found = {"a": beside_of(each.a_beside), "b": beside_of(each.b_beside)}
    return {
        "chosen_picture": found[chosen].picture,
        "rejected_picture": found[rejected].picture,
        "chosen_after": found[chosen].after,
        "rejected_after": found[rejected].after,
        "hindsight": each.occasion == HINDSIGHT,
    }


def as_answer(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def flat_prompt(each: Said) -> str:
    turns: list[Message] = orjson.loads(each.messages)
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def moment_of(each: Said) -> str:
    return each.judged_at.astimezone(UTC).isoformat()


def tail_of(each: Said, split: str) -> Row:
    return {"topic": each.topic, "judged_at": moment_of(each), "prompt_id": each.prompt_id, "split": split}


def batches_of(rows: Iterable[Said], size: int) -> Iterator[list[Said]]:
    batch: list[Said] = []
    for each in rows:
        batch.append(each)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
