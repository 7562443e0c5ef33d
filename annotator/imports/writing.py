"""A batch of checked rows into the database: find or add what they name, then say what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import orjson
from django.utils.translation import gettext as _

from annotator.imports import texts
from annotator.imports.errors import BadRow
from annotator.imports.judgments import Placed, write_judgments
from annotator.imports.known_lineups import KnownLineup, write_known_lineups
from annotator.imports.lineup_writing import PlacedLineup, write_lineups
from annotator.imports.lineups import LineupRow
from annotator.imports.people import Annotators, Pairs
from annotator.imports.pictures import Pictures
from annotator.imports.rows import JudgmentRow, PromptRow, PromptText, ResponseText
from annotator.imports.staging import fetch, packed, run
from annotator.imports.texts import Key, Known, key_of
from annotator.models import Pair, Project
from annotator.models.content import NO_CAP
from annotator.services.content import pair_order

Row = TypeVar("Row", JudgmentRow, PromptRow, LineupRow)
AnyRow = JudgmentRow | PromptRow | LineupRow
Judged = TypeVar("Judged", JudgmentRow, LineupRow)
_FLIPPED = {"a": "b", "b": "a"}
_FILL_IN = """
UPDATE annotator_response r SET after = CASE WHEN r.after = '[]' THEN s.after ELSE r.after END,
    consequence = CASE WHEN r.consequence = '' THEN s.consequence ELSE r.consequence END
  FROM unnest(%(ids)s::bigint[], %(afters)s::jsonb[], %(consequences)s::text[]) AS s (id, after, consequence)
 WHERE r.id = s.id AND (r.after = '[]' AND s.after <> '[]' OR r.consequence = '' AND s.consequence <> '')
"""
_SAID = "SELECT id, after::text, consequence FROM annotator_response WHERE id = ANY(%(ids)s)"


@dataclass(slots=True)
class Outcome:
    """What a batch added (by kind), how many judgments (or prompts) were there already, which rows are refused and why."""

    new: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    refused: list[tuple[AnyRow, BadRow]] = field(default_factory=list)


@dataclass(slots=True)
class _Found(Generic[Row]):
    """A row with its prompt and responses in the database."""

    row: Row
    prompt: Known
    responses: list[Known]

    @property
    def listed(self) -> list[int]:
        """The responses' ids as the file lists them."""
        return [each.pk for each in self.responses]

    @property
    def flipped(self) -> bool:
        """Whether the first of two responses is the newer, so that it is the pair's b."""
        return self.responses[0].pk > self.responses[1].pk

    @property
    def pair(self) -> tuple[int, int]:
        return _in_order(*self.responses)


class Writer:
    """Writes batches of rows into one project, within the caller's transaction."""

    def __init__(self, project: Project, *, pairs_per_prompt: int | None = None) -> None:
        self._project = project
        self.pictures = Pictures(project)
        self._pairs_per_prompt = pairs_per_prompt
        self._prompts = texts.prompts()
        self._responses = texts.responses()
        self._annotators = Annotators(project)
        self._pairs = Pairs(project)

    def write_said(self, rows: Sequence[JudgmentRow | LineupRow]) -> Outcome:
        """Add judgments of pairs, rankings and ratings with all that they name."""
        outcome = self.write_judgments([row for row in rows if isinstance(row, JudgmentRow)])
        if others := [row for row in rows if isinstance(row, LineupRow)]:
            self._write_lineups(others, outcome)
        return outcome

    def _write_lineups(self, rows: Sequence[LineupRow], outcome: Outcome) -> None:
        before = dict(outcome.new)
        found = self._with_texts(self._with_annotators(rows, outcome), outcome, "prompt_id")
        outcome.new["annotators"] = self._annotators.add(each.row.annotator for each in found)
        written = write_lineups(self._project, [self._placed_lineup(each) for each in found])
        outcome.new |= {"judgments": written.added, "lineups": written.lineups}
        outcome.new |= {kind: outcome.new.get(kind, 0) + count for kind, count in before.items()}
        outcome.duplicates += written.duplicates
        outcome.refused += written.refused

    def _placed_lineup(self, found: _Found[LineupRow]) -> PlacedLineup:
        annotator = self._annotators.get(found.row.annotator)
        return PlacedLineup(
            row=found.row,
            annotator=annotator.pk,
            simulated=annotator.simulated,
            prompt=found.prompt.pk,
            responses=found.listed,
        )

    def write_judgments(self, rows: Sequence[JudgmentRow]) -> Outcome:
        """Add the rows' judgments with all that they name."""
        outcome = Outcome()
        found = self._with_texts(self._with_annotators(rows, outcome), outcome, "prompt_id")
        outcome.new["annotators"] = self._annotators.add(each.row.annotator for each in found)
        outcome.new["pairs"] = self._pairs.find_or_add((each.prompt.pk, *each.pair) for each in found)
        written = write_judgments(self._project, [self._placed(each) for each in found])
        outcome.new["judgments"] = written.added
        outcome.duplicates = written.duplicates
        outcome.refused += written.refused
        return outcome

    def write_prompts(self, rows: Sequence[PromptRow]) -> Outcome:
        """Add the rows' prompts and responses, and pairs of them."""
        outcome = Outcome()
        found = self._with_texts(rows, outcome, "id")
        outcome.duplicates = len(found) - outcome.new["prompts"]
        outcome.new["pairs"] = self._pairs.find_or_add(
            (each.prompt.pk, *_in_order(each.responses[a], each.responses[b]))
            for each in found
            if not each.row.known.of_lineup
            for a, b in pair_order(len(each.responses), self._pairs_per_prompt)
        )
        if known := [each for each in found if each.row.known.choice]:
            outcome.new["known answers"] = self._write_gold(known, outcome)
        if lineups := [each for each in found if each.row.known.of_lineup]:
            self._write_known_lineups(lineups, outcome)
        return outcome

    def _write_known_lineups(self, found: Sequence[_Found[PromptRow]], outcome: Outcome) -> None:
        wanted = [KnownLineup(known=each.row.known, prompt=each.prompt.pk, responses=each.listed) for each in found]
        answers, lineups, refused = write_known_lineups(self._project, wanted)
        outcome.new["known answers"] = outcome.new.get("known answers", 0) + answers
        outcome.new["lineups"] = lineups
        outcome.refused += [(found[place].row, bad) for place, bad in refused]

    def _write_gold(self, found: Sequence[_Found[PromptRow]], outcome: Outcome) -> int:
        """Keep the rows' known answers; one that contradicts a stored one is refused."""
        pairs = [self._pairs.get(*each.pair) for each in found]
        stored = dict(Pair.objects.filter(pk__in=pairs).exclude(gold_choice="").values_list("pk", "gold_choice"))
        fresh: dict[tuple[str, bool], list[int]] = {}
        for pk, each in zip(pairs, found, strict=True):
            said = each.row.known.choice
            choice = _FLIPPED.get(said, said) if each.flipped else said
            if pk not in stored:
                fresh.setdefault((choice, each.row.known.qualifying), []).append(pk)
            if stored.setdefault(pk, choice) != choice:
                expected = _("the answer that the pair has; change it on the pair’s page")
                outcome.refused.append((each.row, BadRow("gold_differs", "gold", said, expected)))
        for (choice, qualifying), pks in fresh.items():
            Pair.objects.filter(pk__in=pks).update(gold_choice=choice, qualifying=qualifying, cap=NO_CAP, target=None)
        return sum(map(len, fresh.values()))

    def _with_annotators(self, rows: Sequence[Judged], outcome: Outcome) -> list[Judged]:
        self._annotators.look_up((row.annotator, bool(row.simulated)) for row in rows)
        kept = []
        for row in rows:
            simulated = self._annotators.is_simulated(row.annotator)
            if row.simulated in (None, simulated):
                kept.append(row)
            else:
                expected = _("%(value)s, as in this annotator's other rows") % {"value": str(simulated).lower()}
                outcome.refused.append((row, BadRow("simulated_differs", "simulated", row.simulated, expected)))
        return kept

    def _with_texts(self, rows: Sequence[Row], outcome: Outcome, id_field: str) -> list[_Found[Row]]:
        """Prompts first, for responses are known under their prompt. Rows whose ids are wrong are refused."""
        prompts = self._with_prompts(self._with_pictures(rows, outcome), outcome, id_field)
        keyed = [(row, prompt, [key_of(prompt.pk, each) for each in row.responses]) for row, prompt in prompts]
        self._responses.look_up(pair for row, _, keys in keyed for pair in zip(keys, row.responses, strict=True))
        good = [each for each in keyed if self._is_right(each[0], each[2], outcome)]
        outcome.new["responses"] = self._responses.add(key for _, _, keys in good for key in keys)
        found = []
        for row, prompt, keys in good:
            try:
                found.append(_Found(row, prompt, [self._responses.get(key) for key in keys]))
            except BadRow as bad:
                outcome.refused.append((row, bad))
        return self._filled_in(found, outcome)

    def _with_pictures(self, rows: Sequence[Row], outcome: Outcome) -> list[Row]:
        """Pictures into the store; rows whose pictures can't be had are refused."""
        good = []
        for row in rows:
            try:
                for number, each in enumerate(row.responses):
                    if each.picture and each.picture_id is None:
                        self.pictures.place(each, _field_of(row, number, "picture"))
                good.append(row)
            except BadRow as bad:
                outcome.refused.append((row, bad))
        return good

    def _filled_in(self, found: Sequence[_Found[Row]], outcome: Outcome) -> list[_Found[Row]]:
        """What rows say of the end of responses that are stored already: added where nothing is there, refused where
        something else is."""
        said = {
            known.pk: each
            for row in found
            for known, each in zip(row.responses, row.row.responses, strict=True)
            if each.consequence or each.after
        }
        if not said:
            return list(found)
        values = {
            "ids": list(said),
            "afters": [packed(each.after) for each in said.values()],
            "consequences": [each.consequence for each in said.values()],
        }
        run(_FILL_IN, **values)
        stored = {pk: (orjson.loads(after), consequence) for pk, after, consequence in fetch(_SAID, ids=list(said))}
        good = []
        for row in found:
            if wrong := _otherwise(row, stored):
                outcome.refused.append((row.row, wrong))
            else:
                good.append(row)
        return good

    def _with_prompts(self, rows: Sequence[Row], outcome: Outcome, id_field: str) -> list[tuple[Row, Known]]:
        keyed = [(row, key_of(self._project.pk, row.prompt)) for row in rows]
        self._prompts.look_up((key, row.prompt) for row, key in keyed)
        good = []
        for row, key in keyed:
            if self._prompts.is_as_known(key, row.prompt):
                good.append((row, key))
            else:
                outcome.refused.append((row, _reused(row.prompt, id_field)))
        outcome.new["prompts"] = self._prompts.add(key for _, key in good)
        found = []
        for row, key in good:
            try:
                found.append((row, self._prompts.get(key)))
            except BadRow as bad:
                outcome.refused.append((row, bad))
        return found

    def _is_right(self, row: Row, keys: Sequence[Key], outcome: Outcome) -> bool:
        for number, (key, each) in enumerate(zip(keys, row.responses, strict=True)):
            if not self._responses.is_as_known(key, each):
                judged = isinstance(row, JudgmentRow)
                field_name = f"response_{'ab'[number]}_id" if judged else f"responses[{number}].id"
                outcome.refused.append((row, _reused(each, field_name)))
                return False
        return True

    def _placed(self, found: _Found[JudgmentRow]) -> Placed:
        annotator = self._annotators.get(found.row.annotator)
        a, b = found.responses
        return Placed(
            row=found.row,
            annotator=annotator.pk,
            simulated=annotator.simulated,
            pair=self._pairs.get(*found.pair),
            flipped=found.flipped,
            topic=found.prompt.about,
            sources=(a.about, b.about),
        )


def _otherwise(found: _Found[Row], stored: Mapping[int, tuple[object, str]]) -> BadRow | None:
    """A response of the row that has another end than the row says."""
    for number, (known, each) in enumerate(zip(found.responses, found.row.responses, strict=True)):
        after, consequence = stored.get(known.pk, (each.after, each.consequence))
        if each.after and each.after != after:
            return BadRow(
                "id_reused", _field_of(found.row, number, "after"), each.after, _("the messages that are stored")
            )
        if each.consequence and each.consequence != consequence:
            name = _field_of(found.row, number, "consequence")
            return BadRow("id_reused", name, each.consequence, _("what is stored; change it on the pair’s page"))
    return None


def _field_of(row: AnyRow, number: int, name: str) -> str:
    """What the file calls a field of one of the row's responses."""
    return f"{name}_{'ab'[number]}" if isinstance(row, JudgmentRow) else f"responses[{number}].{name}"


def _in_order(one: Known, other: Known) -> tuple[int, int]:
    return min(one.pk, other.pk), max(one.pk, other.pk)


def _reused(text: PromptText | ResponseText, field_name: str) -> BadRow:
    return BadRow("id_reused", field_name, text.ref or text.text, _("an id that always goes with the same text"))
