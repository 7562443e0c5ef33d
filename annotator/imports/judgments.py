"""Write a batch of judgments whose annotators and pairs are known: leave out what is stored, refuse what contradicts it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
from django.db import IntegrityError
from django.utils.translation import gettext as _
from psycopg2.errors import UniqueViolation

from annotator.errors import Conflict
from annotator.imports.errors import BadRow
from annotator.imports.rows import JudgmentRow
from annotator.imports.staging import Stage, cell, escaped, fetch, packed, run
from annotator.models import Project
from annotator.services.aspects import other_way_round

KEYS = uuid.UUID("6f0d3a52-7a1b-5c9e-9a42-3f1f0c7de1a5")
"""Namespace of the client keys of imported judgments."""
_FLIPPED = {"a": "b", "b": "a"}

_STAGE = Stage(
    "import_judgment",
    "n int, annotator_id bigint, pair_id bigint, occasion int, revision int, current bool, withdrawn bool,"
    " client_key uuid, choice text, strength int, skip_reason text, swapped bool, seconds float8, page_version text,"
    " source text, about jsonb, judged_at timestamptz, rationale text, tags jsonb, spans jsonb, flag jsonb, aspects jsonb",
)
_STORED = """
SELECT s.n, j.* FROM import_judgment s CROSS JOIN LATERAL (
    SELECT j.id, j.revision, j.current, j.choice, j.strength, j.withdrawn, coalesce(r.text, ''), coalesce(r.tags::text, '[]')
      FROM annotator_judgment j LEFT JOIN annotator_rationale r ON r.judgment_id = j.id
     WHERE j.annotator_id = s.annotator_id AND j.pair_id = s.pair_id AND j.occasion = s.occasion OFFSET 0) j
"""
_KEYS_TAKEN = """
SELECT s.n FROM import_judgment s CROSS JOIN LATERAL (
    SELECT * FROM annotator_judgment WHERE client_key = s.client_key OFFSET 0) j
 WHERE (j.annotator_id, j.pair_id, j.occasion, j.revision) IS DISTINCT FROM (s.annotator_id, s.pair_id, s.occasion, s.revision)
"""
_ASPECTS = """
INSERT INTO annotator_aspect (project_id, key, name, way, steps, position)
SELECT %(project)s, key, initcap(replace(key, '-', ' ')), CASE WHEN bool_or(rated) THEN 'rate' ELSE 'compare' END,
    LEAST(10, GREATEST(5, max(highest))), 100
  FROM import_judgment s CROSS JOIN LATERAL jsonb_each(s.aspects) AS each (key, value) CROSS JOIN LATERAL (
      SELECT jsonb_typeof(each.value) = 'object' AS rated, (SELECT max((side.value #>> '{}')::int) FROM jsonb_each(
          CASE jsonb_typeof(each.value) WHEN 'object' THEN each.value ELSE '{}' END) AS side) AS highest) AS kind
 WHERE s.aspects <> '{}' GROUP BY key ON CONFLICT (project_id, key) DO NOTHING
"""
"""Aspects that the project does not have yet are made as the file uses them."""
_ADD = """
WITH added AS (
    INSERT INTO annotator_judgment (project_id, kind, annotator_id, pair_id, occasion, revision, current, withdrawn,
        client_key, choice, strength, skip_reason, swapped, seconds, page_version, source, about, judged_at, created_at)
    SELECT %(project)s, 'pair', annotator_id, pair_id, occasion, revision, current, withdrawn, client_key, choice, strength,
        skip_reason, swapped, seconds, page_version, source, about, coalesce(judged_at, now()), now()
      FROM import_judgment ORDER BY n RETURNING id, client_key
), reasons AS (
    INSERT INTO annotator_rationale (judgment_id, text, tags)
    SELECT added.id, s.rationale, s.tags FROM added JOIN import_judgment s USING (client_key)
     WHERE s.rationale <> '' OR s.tags <> '[]'
), marked AS (
    INSERT INTO annotator_span (judgment_id, response_id, start, "end", quote, good, tag, comment)
    SELECT added.id, CASE m ->> 'side' WHEN 'a' THEN p.response_a_id ELSE p.response_b_id END, (m ->> 'start')::int,
        (m ->> 'end')::int, m ->> 'quote', (m ->> 'good')::boolean, m ->> 'tag', m ->> 'comment'
      FROM added JOIN import_judgment s USING (client_key) JOIN annotator_pair p ON p.id = s.pair_id
     CROSS JOIN LATERAL jsonb_array_elements(s.spans) WITH ORDINALITY AS marks (m, place)
     WHERE s.spans <> '[]' ORDER BY added.id, place
), flagged AS (
    INSERT INTO annotator_flag (judgment_id, kind, about, note)
    SELECT added.id, s.flag ->> 'kind', s.flag ->> 'about', s.flag ->> 'note'
      FROM added JOIN import_judgment s USING (client_key) WHERE s.flag <> '{}'
), said AS (
    SELECT added.id, s.pair_id, e.id AS aspect, e.way, e.steps, each.value FROM added JOIN import_judgment s USING (client_key)
     CROSS JOIN LATERAL jsonb_each(s.aspects) AS each JOIN annotator_aspect e ON e.project_id = %(project)s AND e.key = each.key
     WHERE s.aspects <> '{}'
), compared AS (
    INSERT INTO annotator_aspectcomparison (judgment_id, aspect_id, choice)
    SELECT id, aspect, value #>> '{}' FROM said WHERE jsonb_typeof(value) = 'string'
), rated AS (
    INSERT INTO annotator_aspectrating (judgment_id, aspect_id, response_id, value)
    SELECT said.id, aspect, CASE side.key WHEN 'a' THEN p.response_a_id ELSE p.response_b_id END, (side.value #>> '{}')::int
      FROM said JOIN annotator_pair p ON p.id = said.pair_id CROSS JOIN LATERAL jsonb_each(said.value) AS side
     WHERE jsonb_typeof(said.value) = 'object'
)
SELECT count(*) FROM added
"""


@dataclass(slots=True)
class Placed:
    """A row with what it names: its annotator, its pair, and whether the file's a is the pair's b."""

    row: JudgmentRow
    annotator: int
    simulated: bool
    pair: int
    flipped: bool
    topic: str
    sources: tuple[str, str]
    """Topic and sources as stored with the texts; the file's go into ``about`` where they differ."""
    current: bool = True

    @property
    def place(self) -> tuple[int, int, int]:
        return (self.annotator, self.pair, self.row.occasion)

    @property
    def choice(self) -> str:
        return _FLIPPED.get(self.row.preference, self.row.preference) if self.flipped else self.row.preference

    @property
    def tags(self) -> list[dict[str, object]]:
        if not self.flipped:
            return self.row.tags
        return [{**tag, "side": _FLIPPED[str(tag["side"])]} for tag in self.row.tags]

    @property
    def spans(self) -> list[dict[str, object]]:
        if not self.flipped:
            return self.row.spans
        return [{**span, "side": _FLIPPED[str(span["side"])]} for span in self.row.spans]

    @property
    def flag(self) -> dict[str, object]:
        flag = self.row.flag
        about = str(flag.get("about"))
        return {**flag, "about": _FLIPPED.get(about, about)} if flag and self.flipped else flag

    @property
    def aspects(self) -> dict[str, object]:
        if not self.flipped:
            return self.row.aspects
        return {key: other_way_round(said) for key, said in self.row.aspects.items()}

    @property
    def said(self) -> tuple[object, ...]:
        """What makes two judgments of one pair by one annotator the same."""
        return (self.choice, self.row.strength, self.row.withdrawn, self.row.rationale, self.tags)

    def client_key(self, project: int) -> str:
        """The same row makes the same key; another project's key stays its own."""
        row, prompt = self.row, self.row.prompt
        if row.client_key:
            return _uuid5(f"{project} {row.client_key}")
        texts = sorted(response.ref or response.digest for response in row.responses)
        named = [project, row.annotator, prompt.ref or prompt.digest, *texts, row.occasion, row.revision]
        return _uuid5(packed(named))

    def about(self) -> dict[str, object]:
        about = dict(self.row.about)
        if self.row.prompt.topic not in ("", self.topic):
            about["topic"] = self.row.prompt.topic
        for side, response, stored in zip(
            "ba" if self.flipped else "ab", self.row.responses, self.sources, strict=True
        ):
            if response.source not in ("", stored):
                about[f"source_{side}"] = response.source
        if self.row.client_key:
            about["client_key"] = str(self.row.client_key)
        return about


@dataclass(slots=True)
class Written:
    """What came of a batch: added, already there, and refused with the reason."""

    added: int
    duplicates: int
    refused: list[tuple[JudgmentRow, BadRow]]


def write_judgments(project: Project, batch: Sequence[Placed]) -> Written:
    """Add a batch's judgments. Raises ``Conflict`` where somebody else wrote one of them at the same moment."""
    settled = _Settled(batch)
    rows = settled.rows
    if rows:
        _STAGE.copy([_line(n, each, project.pk) for n, each in enumerate(rows)])
        _settle_with_stored(settled)
        if settled.out:
            run("DELETE FROM import_judgment WHERE n = ANY(%(out)s)", out=list(settled.out))
    added = _add(project) if len(rows) > len(settled.out) else 0
    return Written(added, settled.duplicates, settled.refused)


def _add(project: Project) -> int:
    """Add what is staged. Nothing stored stands against it, unless somebody wrote it since we looked."""
    run(_ASPECTS, project=project.pk)
    try:
        return int(fetch(_ADD, project=project.pk)[0][0])
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            message = _("Somebody else wrote the same judgments at the same moment. Nothing was written; run it again.")
            raise Conflict(message) from error
        raise


class _Settled:
    """Which rows of a batch stand: the first of each judgment; a later revision takes ``current`` over."""

    def __init__(self, batch: Iterable[Placed]) -> None:
        self.rows: list[Placed] = []
        self.out: set[int] = set()
        self.duplicates = 0
        self.refused: list[tuple[JudgmentRow, BadRow]] = []
        last: dict[tuple[int, int, int], Placed] = {}
        seen: dict[tuple[int, int, int, int], Placed] = {}
        keys: set[uuid.UUID | None] = set()
        for each in batch:
            first = seen.setdefault((*each.place, each.row.revision), each)
            if first is not each:
                self._second(each, first.said, first.choice)
            elif (key := each.row.client_key) in keys:
                self.refused.append((each.row, _key_taken(each)))
            else:
                keys |= {key} if key else set()
                _settle_current(each, last)
                self.rows.append(each)

    def leave_out(self, n: int, said: tuple[object, ...], choice: str) -> None:
        """The row's judgment is stored."""
        if n not in self.out:
            self.out.add(n)
            self._second(self.rows[n], said, choice)

    def refuse_key(self, n: int) -> None:
        if n not in self.out:
            self.out.add(n)
            self.refused.append((self.rows[n].row, _key_taken(self.rows[n])))

    def _second(self, each: Placed, said: tuple[object, ...], choice: str) -> None:
        if each.said == said:
            self.duplicates += 1
            return
        there = _FLIPPED.get(choice, choice) if each.flipped else choice
        expected = _("the same as before (%(there)s, the same strength, reasons), or a revision above %(revision)s") % {
            "there": repr(there),
            "revision": each.row.revision,
        }
        self.refused.append((each.row, BadRow("second_judgment", "preference", each.row.preference, expected)))


def _settle_current(each: Placed, last: dict[tuple[int, int, int], Placed]) -> None:
    other = last.get(each.place)
    if other and other.row.revision > each.row.revision:
        each.current = False
        return
    if other:
        other.current = False
    last[each.place] = each


def _settle_with_stored(settled: _Settled) -> None:
    """Compare with the database: the same revision is a duplicate or a contradiction, a lower one is no longer current."""
    outdated: set[int] = set()
    older: set[int] = set()
    for n, pk, revision, current, choice, strength, withdrawn, text, tags in fetch(_STORED):
        each = settled.rows[n]
        if revision == each.row.revision:
            settled.leave_out(n, (choice, strength, withdrawn, text, orjson.loads(tags)), choice)
        elif revision > each.row.revision:
            older.add(n)
        elif current:
            outdated.add(pk)
    if any(each.row.client_key for each in settled.rows):
        for (n,) in fetch(_KEYS_TAKEN):
            settled.refuse_key(n)
    if older:
        run("UPDATE import_judgment SET current = false WHERE n = ANY(%(older)s)", older=list(older))
    if outdated:
        run("UPDATE annotator_judgment SET current = false WHERE id = ANY(%(outdated)s)", outdated=list(outdated))


def _key_taken(each: Placed) -> BadRow:
    return BadRow("key_reused", "client_key", str(each.row.client_key), _("a client key of its own for each judgment"))


def _line(n: int, each: Placed, project: int) -> str:
    """The row in the order of the stage's columns."""
    row = each.row
    about, tags, spans, flag, aspects = each.about(), each.tags, each.spans, each.flag, each.aspects
    return (
        f"{n}\t{each.annotator}\t{each.pair}\t{row.occasion}\t{row.revision}\t{each.current}\t{row.withdrawn}"
        f"\t{each.client_key(project)}\t{each.choice}\t{cell(row.strength)}\t{escaped(row.skip_reason)}"
        f"\t{row.swapped != each.flipped}\t{cell(row.seconds)}\t{escaped(row.page_version)}"
        f"\t{'simulation' if each.simulated else 'import'}\t{escaped(packed(about)) if about else '{}'}"
        f"\t{cell(row.judged_at)}\t{escaped(row.rationale)}\t{escaped(packed(tags)) if tags else '[]'}"
        f"\t{escaped(packed(spans)) if spans else '[]'}\t{escaped(packed(flag)) if flag else '{}'}"
        f"\t{escaped(packed(aspects)) if aspects else '{}'}\n"
    )


def _uuid5(name: str) -> str:
    """As ``uuid.uuid5(KEYS, name)`` says it, without the object, which takes longer than all else about a row."""
    digits = hashlib.sha1(KEYS.bytes + name.encode(), usedforsecurity=False).hexdigest()
    return f"{digits[:12]}5{digits[13:16]}{int(digits[16], 16) & 3 | 8:x}{digits[17:32]}"
