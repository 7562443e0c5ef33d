"""A project's judgments as rows of a file: as they are kept, or as trainers read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.utils.translation import gettext_noop

from annotator.exports.lineup_rows import lineup_judgments, lineup_rows
from annotator.exports.options import ExportOptions, Tally
from annotator.models import HINDSIGHT, Project
from annotator.selectors.content import beside
from annotator.services.aspects import other_way_round

CHUNK = 250
"""Judgments that the cursor fetches at a time: two texts of the greatest length each still fit into memory."""
Row = dict[str, Any]

JUDGMENT_COLUMNS = (
    *("annotator", "simulated", "prompt_id", "prompt", "topic", "response_a_id", "response_a", "model_a"),
    *("response_b_id", "response_b", "model_b", "preference", "strength", "swapped", "occasion", "revision"),
    *("withdrawn", "skip_reason", "rationale", "tags", "spans", "flag", "aspects", "part", "slices", "source"),
    *("judged_at", "seconds", "page_version", "client_key", "extra"),
    *("picture_a", "picture_b", "after_a", "after_b", "consequence_a", "consequence_b", "hindsight_of"),
)
TRL_COLUMNS = (
    *("prompt", "chosen", "rejected", "annotator", "simulated", "strength", "rationale", "tags", "topic", "part"),
    *("judged_at", "prompt_id", "chosen_id", "rejected_id", "chosen_source", "rejected_source"),
    *("chosen_picture", "rejected_picture", "chosen_after", "rejected_after", "hindsight"),
)
_FLIPPED = {"a": "b", "b": "a"}
_LEFT_OUT = {
    "tie": gettext_noop("ties"),
    "both_good": gettext_noop("both good"),
    "both_bad": gettext_noop("both bad"),
    "skip": gettext_noop("skipped"),
}


class _Stored(NamedTuple):
    """A judgment as the query gives it; JSON columns are text."""

    annotator: str
    simulated: bool
    in_training: bool
    dropped: bool
    prompt_id: str
    messages: str
    topic: str
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
    revision: int
    withdrawn: bool
    skip_reason: str
    rationale: str
    tags: str
    spans: str
    flag: str
    aspects: str
    about: str
    source: str
    judged_at: datetime
    seconds: float | None
    page_version: str
    client_key: str
    hindsight_of: str
    again: bool
    """Judged again with hindsight, which takes its place."""
    a_beside: str | None
    b_beside: str | None


# The cursor reads in the order of an index and never sorts, so the first row comes at once.
_QUERY = f"""
SELECT n.ref, n.simulated, n.in_training, n.dropped_at IS NOT NULL, p.ref, p.messages::text, p.topic, a.ref, a.text, a.source, b.ref, b.text, b.source,
       j.choice, j.strength, j.swapped, j.occasion, j.revision, j.withdrawn, j.skip_reason, coalesce(r.text, ''),
       coalesce(r.tags::text, '[]'), coalesce((
           SELECT json_agg(json_build_object('side', CASE s.response_id WHEN q.response_a_id THEN 'a' ELSE 'b' END,
               'start', s.start, 'end', s."end", 'quote', s.quote, 'good', s.good, 'tag', s.tag, 'comment', s.comment)
               ORDER BY s.id) FROM annotator_span s WHERE s.judgment_id = j.id)::text, '[]'),
       coalesce((SELECT json_build_object('kind', f.kind, 'about', f.about, 'note', f.note) FROM annotator_flag f
           WHERE f.judgment_id = j.id)::text, '{{{{}}}}'),
       coalesce((SELECT json_object_agg(key, said) FROM (
           SELECT e.key, json_object_agg(CASE g.response_id WHEN q.response_a_id THEN 'a' ELSE 'b' END, g.value) AS said
             FROM annotator_aspectrating g JOIN annotator_aspect e ON e.id = g.aspect_id
            WHERE g.judgment_id = j.id GROUP BY e.key
           UNION ALL SELECT e.key, to_json(h.choice) FROM annotator_aspectcomparison h
             JOIN annotator_aspect e ON e.id = h.aspect_id WHERE h.judgment_id = j.id) AS every)::text, '{{{{}}}}'), j.about::text, j.source, j.judged_at, j.seconds, j.page_version, j.client_key::text,
       CASE WHEN j.occasion = {HINDSIGHT} THEN coalesce((SELECT coalesce(first.about ->> 'client_key', first.client_key::text)
           FROM annotator_judgment first WHERE first.annotator_id = j.annotator_id AND first.pair_id = j.pair_id
            AND first.occasion = 0 AND first.current), '') ELSE '' END, {{again}}, {beside("a")}, {beside("b")}
  FROM annotator_judgment j
  JOIN annotator_annotator n ON n.id = j.annotator_id
  JOIN annotator_pair q ON q.id = j.pair_id
  JOIN annotator_prompt p ON p.id = q.prompt_id
  JOIN annotator_response a ON a.id = q.response_a_id
  JOIN annotator_response b ON b.id = q.response_b_id
  LEFT JOIN annotator_rationale r ON r.judgment_id = j.id
 WHERE j.project_id = %s {{standing}}
 ORDER BY j.id
"""
_STANDING = "AND j.current AND NOT j.withdrawn"
AGAIN = f"""j.occasion = 0 AND EXISTS (SELECT 1 FROM annotator_judgment h WHERE h.annotator_id = j.annotator_id
    AND h.pair_id = j.pair_id AND h.occasion = {HINDSIGHT} AND h.current AND NOT h.withdrawn AND h.choice <> 'skip')"""
"""Whether judgment ``j`` was given again with hindsight."""


def export_rows(project: Project, options: ExportOptions, tally: Tally) -> Iterator[Row]:
    """The rows, in the order of judging, from a cursor that stays open in a transaction until they are used up; rankings and
    ratings after the pairs."""
    again = AGAIN if options.format == "trl" and project.hindsight_trains == Project.Looks.HINDSIGHT else "false"
    standing = "" if options.revisions and options.format == "judgments" else _STANDING
    query = _QUERY.format(standing=standing, again=again)
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(query, [project.pk])
        while found := cursor.fetchmany(CHUNK):
            for each in map(_Stored._make, found):
                if options.format == "judgments":
                    row = _judgment(each, shown=options.sides == "shown")
                elif reason := _no_preference(each, project):
                    tally.left_out[reason] += 1
                    continue
                else:
                    row = _preference(each)
                tally.rows += 1
                yield row
        if options.format == "judgments":
            for row in lineup_rows(project, revisions=options.revisions, shown=options.sides == "shown"):
                tally.rows += 1
                yield row
        else:
            for judgment in lineup_judgments(project).values_list("kind", flat=True):
                tally.left_out[f"{judgment}s"] += 1


def _judgment(each: _Stored, *, shown: bool) -> Row:
    """As ``attune import`` reads it, in the order of ``JUDGMENT_COLUMNS``."""
    about: Row = orjson.loads(each.about)
    turned = shown and each.swapped
    tags, spans, flag = orjson.loads(each.tags), orjson.loads(each.spans), orjson.loads(each.flag)
    aspects: Row = orjson.loads(each.aspects)
    a = (each.a_id, each.a, about.get("source_a", each.a_source), beside_of(each.a_beside))
    b = (each.b_id, each.b, about.get("source_b", each.b_source), beside_of(each.b_beside))
    if turned:
        a, b = b, a
        tags, spans = ([{**one, "side": _FLIPPED[one["side"]]} for one in said] for said in (tags, spans))
        flag = {**flag, "about": _FLIPPED.get(flag["about"], flag["about"])} if flag else flag
        aspects = {key: other_way_round(said) for key, said in aspects.items()}
    row: Row = {
        "annotator": each.annotator,
        "simulated": each.simulated,
        "prompt_id": each.prompt_id,
        "prompt": _prompt(each.messages),
        "topic": about.get("topic", each.topic),
        "response_a_id": a[0],
        "response_a": a[1],
        "model_a": a[2],
        "response_b_id": b[0],
        "response_b": b[1],
        "model_b": b[2],
        "preference": _FLIPPED.get(each.choice, each.choice) if turned else each.choice,
        "strength": each.strength,
        "swapped": each.swapped and not shown,
        "occasion": each.occasion,
        "revision": each.revision,
        "withdrawn": each.withdrawn,
        "skip_reason": each.skip_reason,
        "rationale": each.rationale,
        "tags": tags,
        "spans": spans,
        "flag": flag,
        "aspects": aspects,
        "part": about.get("part", ""),
        "slices": about.get("slices", []),
        "source": about.get("source", each.source),
        "judged_at": each.judged_at.astimezone(UTC).isoformat(),
        "seconds": each.seconds,
        "page_version": each.page_version,
        "client_key": about.get("client_key", each.client_key),
        "extra": about.get("extra", {}),
    }
    return row | _sides(a[3], b[3], "a", "b") | ({"hindsight_of": each.hindsight_of} if each.hindsight_of else {})


class Beside(NamedTuple):
    """What a response has beside its text: its picture's name, how the conversation went on, what came of following it."""

    picture: str = ""
    after: list[dict[str, str]] = []
    consequence: str = ""


_NOTHING = Beside()


def _sides(one: Beside, other: Beside, a: str, b: str, *, prefixed: bool = False) -> Row:
    """What there is beside two texts, under the sides' names; what most rows have nothing of is not there at all."""
    found: Row = {}
    for name in ("picture", "after") if prefixed else Beside._fields:
        for side, said in ((a, one), (b, other)):
            if value := getattr(said, name):
                found[f"{side}_{name}" if prefixed else f"{name}_{side}"] = value
    return found


def beside_of(packed: str | None) -> Beside:
    """From what ``selectors.content.beside`` reads."""
    if packed is None:
        return _NOTHING
    found = orjson.loads(packed)
    return Beside(found["picture"]["name"] if found["picture"] else "", found["after"], found["consequence"])


def _prompt(messages: str) -> str | list[dict[str, str]]:
    """A lone turn of the user as its text, a longer conversation as it is."""
    turns: list[dict[str, str]] = orjson.loads(messages)
    return turns[0]["content"] if len(turns) == 1 and turns[0]["role"] == "user" else turns


def _no_preference(each: _Stored, project: Project) -> str:
    """Why a judgment makes no preference row; empty if it makes one."""
    if not each.in_training:
        return gettext_noop("by annotators who are not in training")
    if each.dropped:
        return gettext_noop("by annotators who failed the checks")
    return _LEFT_OUT.get(each.choice, "") or look_left_out(each.occasion, each.again, project.hindsight_trains)


def look_left_out(occasion: int, again: bool, looks: str) -> str:
    """Why a look at a pair is not among those that are wanted (of ``Project.Looks``); empty if it is. Repeats are not."""
    if occasion == HINDSIGHT:
        return gettext_noop("second looks with hindsight") if looks == "first" else ""
    if occasion:
        return gettext_noop("hidden repeats")
    return gettext_noop("first looks that were judged again with hindsight") if again and looks == "hindsight" else ""


def _preference(each: _Stored) -> Row:
    """TRL's preference type with an explicit prompt, in the order of ``TRL_COLUMNS``."""
    about: Row = orjson.loads(each.about)
    a = (each.a_id, each.a, about.get("source_a", each.a_source), beside_of(each.a_beside))
    b = (each.b_id, each.b, about.get("source_b", each.b_source), beside_of(each.b_beside))
    chosen, rejected = (a, b) if each.choice == "a" else (b, a)
    row: Row = {
        "prompt": orjson.loads(each.messages),
        "chosen": [{"role": "assistant", "content": chosen[1]}],
        "rejected": [{"role": "assistant", "content": rejected[1]}],
        "annotator": each.annotator,
        "simulated": each.simulated,
        "strength": each.strength,
        "rationale": each.rationale,
        "tags": [tag["tag"] for tag in orjson.loads(each.tags)],
        "topic": about.get("topic", each.topic),
        "part": about.get("part", ""),
        "judged_at": each.judged_at.astimezone(UTC).isoformat(),
        "prompt_id": each.prompt_id,
        "chosen_id": chosen[0],
        "rejected_id": rejected[0],
        "chosen_source": chosen[2],
        "rejected_source": rejected[2],
    }
    hindsight = {"hindsight": True} if each.occasion == HINDSIGHT else {}
    return row | _sides(chosen[3], rejected[3], "chosen", "rejected", prefixed=True) | hindsight
