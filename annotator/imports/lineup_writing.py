"""Write a batch of rankings and ratings whose annotators and responses are known, beside judgments of pairs.

In the file the responses are numbered from 1 in the order in which they are listed; in the database in the lineup's own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.imports.errors import BadRow
from annotator.imports.lineups import LineupRow
from annotator.imports.staging import packed
from annotator.models import Aspect, AspectRating, Flag, Judgment, Lineup, Project, Rationale, Span
from annotator.models.content import random_order
from annotator.services.slots import slots_of

KEYS = uuid.UUID("b2cf5b7e-58f4-5d6f-8a0b-0a3f3d0c7a11")
"""Namespace of the client keys of imported rankings and ratings."""
LEAST_STEPS = 5
"""Of a scale that a file is the first to use."""


@dataclass(kw_only=True)
class Listed:
    """A lineup's prompt and its responses' ids as the file lists them."""

    prompt: int
    responses: list[int]

    @property
    def own(self) -> tuple[int, ...]:
        """The responses in the lineup's own order."""
        return tuple(sorted(self.responses))

    def number(self, listed: int | str) -> int:
        """The own number of a response by that of the file."""
        return self.own.index(self.responses[int(listed) - 1]) + 1


@dataclass(kw_only=True)
class PlacedLineup(Listed):
    """A row with what it names."""

    row: LineupRow
    annotator: int
    simulated: bool

    def judgment(self, project: Project, lineup: Lineup) -> Judgment:
        row = self.row
        ranking = [sorted(map(self.number, tier)) for tier in row.ranking]
        return Judgment(
            project=project,
            annotator_id=self.annotator,
            kind=row.kind,
            lineup=lineup,
            occasion=row.occasion,
            revision=row.revision,
            withdrawn=row.withdrawn,
            client_key=self._client_key(project.pk),
            choice=row.choice,
            ranking=ranking or None,
            rating=row.rating,
            scale=row.scale,
            shown=[self.number(each) for each in row.shown],
            skip_reason=row.skip_reason,
            seconds=row.seconds,
            page_version=row.page_version,
            source=Judgment.Source.SIMULATION if self.simulated else Judgment.Source.IMPORT,
            about=row.about | ({"client_key": str(row.client_key)} if row.client_key else {}),
            judged_at=row.judged_at or timezone.now(),
        )

    def tags(self) -> list[dict[str, object]]:
        return [{**tag, "side": str(self.number(str(tag["side"])))} for tag in self.row.tags]

    def _client_key(self, project: int) -> uuid.UUID:
        row = self.row
        if row.client_key:
            return uuid.uuid5(KEYS, f"{project} {row.client_key}")
        texts = sorted(each.ref or each.digest for each in row.responses)
        return uuid.uuid5(
            KEYS,
            packed(
                [
                    project,
                    row.annotator,
                    row.prompt.ref or row.prompt.digest,
                    *texts,
                    *([row.occasion] if row.occasion else []),
                    row.revision,
                ]
            ),
        )


@dataclass(slots=True)
class WrittenLineups:
    """What came of a batch: judgments and lineups added, judgments there already, and rows refused with the reason."""

    added: int
    lineups: int
    duplicates: int
    refused: list[tuple[LineupRow, BadRow]]


def write_lineups(project: Project, batch: Sequence[PlacedLineup]) -> WrittenLineups:
    """Add a batch's rankings and ratings. Raises ``Conflict`` where somebody else wrote one of them at the same moment."""
    lineups, new = find_or_make(project, {each.own: (each.prompt, each.row.kind) for each in batch})
    written = WrittenLineups(0, new, 0, [])
    last = _last_said(batch, lineups)
    fresh: list[tuple[PlacedLineup, Judgment]] = []
    outdated: list[int] = []
    for each in batch:
        judgment = each.judgment(project, lineups[each.own])
        before = last.setdefault((judgment.annotator_id, judgment.lineup_id or 0, judgment.occasion), {})
        if same := before.get(judgment.revision):
            if _says(same) == _says(judgment):
                written.duplicates += 1
            else:
                expected = _("the same as before (%(choice)s), or a revision above %(revision)s") % {
                    "choice": repr(same.choice),
                    "revision": judgment.revision,
                }
                written.refused.append((each.row, BadRow("second_judgment", "choice", each.row.choice, expected)))
            continue
        judgment.current = not any(revision > judgment.revision for revision in before)
        for other in before.values():
            if judgment.current and other.current:
                other.current = False
                outdated += [other.pk] if other.pk else []
        before[judgment.revision] = judgment
        fresh.append((each, judgment))
    _store(project, fresh, outdated)
    written.added = len(fresh)
    return written


def find_or_make(
    project: Project, wanted: Mapping[tuple[int, ...], tuple[int, str]]
) -> tuple[dict[tuple[int, ...], Lineup], int]:
    """The lineups of these responses, whose prompt and kind are given, by them; and how many are new."""
    prompts = {prompt for prompt, _ in wanted.values()}
    found = _of_prompts(project, prompts)
    new = []
    for own, (prompt, kind) in wanted.items():
        if own not in found:
            shuffle = random_order()
            target, cap = slots_of(project, shuffle)
            kept = {"project": project, "prompt_id": prompt, "kind": kind, "responses": list(own)}
            new.append(Lineup(**kept, shuffle=shuffle, target=target, cap=cap))
    Lineup.objects.bulk_create(new, ignore_conflicts=True)
    return (found | _of_prompts(project, prompts) if new else found), len(new)


def _of_prompts(project: Project, prompts: Iterable[int]) -> dict[tuple[int, ...], Lineup]:
    """By their responses. Asked for by prompt, as lists of ids among lists of ids are no question for the database."""
    rows = Lineup.objects.filter(project=project, prompt__in=prompts)
    return {tuple(row.responses): row for row in rows}


def _last_said(
    batch: Iterable[PlacedLineup], lineups: Mapping[tuple[int, ...], Lineup]
) -> dict[tuple[int, int, int], dict[int, Judgment]]:
    """What is stored of the rows' annotators and lineups, by occasion and revision."""
    annotators = {each.annotator for each in batch}
    rows = Judgment.objects.filter(annotator__in=annotators, lineup__in=[each.pk for each in lineups.values()])
    said: dict[tuple[int, int, int], dict[int, Judgment]] = {}
    for row in rows:
        said.setdefault((row.annotator_id, row.lineup_id or 0, row.occasion), {})[row.revision] = row
    return said


def _says(judgment: Judgment) -> tuple[object, ...]:
    return (judgment.choice, judgment.ranking, judgment.rating, judgment.withdrawn)


def _store(project: Project, fresh: Sequence[tuple[PlacedLineup, Judgment]], outdated: Sequence[int]) -> None:
    Judgment.objects.filter(pk__in=outdated).update(current=False)
    try:
        Judgment.objects.bulk_create([judgment for _, judgment in fresh])
    except IntegrityError as error:
        message = _(
            "Somebody else wrote the same judgments at the same moment, or a client key is another's. Nothing was written."
        )
        raise Conflict(message) from error
    Rationale.objects.bulk_create(
        Rationale(judgment=judgment, text=each.row.rationale, tags=each.tags())
        for each, judgment in fresh
        if each.row.rationale or each.row.tags
    )
    Span.objects.bulk_create(
        Span(judgment=judgment, response_id=each.responses[int(str(span["side"])) - 1], **_stretch(span))
        for each, judgment in fresh
        for span in each.row.spans
    )
    Flag.objects.bulk_create(
        Flag(judgment=judgment, kind=str(each.row.flag["kind"]), about=_about(each), note=str(each.row.flag["note"]))
        for each, judgment in fresh
        if each.row.flag
    )
    _store_aspects(project, [(each, judgment) for each, judgment in fresh if each.row.aspects])


def _store_aspects(project: Project, fresh: Sequence[tuple[PlacedLineup, Judgment]]) -> None:
    """Aspects that the project does not have yet are made as the file uses them."""
    highest: dict[str, int] = {}
    for each, _judgment in fresh:
        for key, value in each.row.aspects.items():
            highest[key] = max(highest.get(key, LEAST_STEPS), value or 0)
    Aspect.objects.bulk_create(
        [
            Aspect(project=project, key=key, name=key.replace("-", " ").title(), steps=steps, position=100)
            for key, steps in highest.items()
        ],
        ignore_conflicts=True,
    )
    ids = dict(Aspect.objects.filter(project=project, key__in=highest).values_list("key", "pk"))
    AspectRating.objects.bulk_create(
        AspectRating(judgment=judgment, aspect_id=ids[key], response_id=each.responses[0], value=value)
        for each, judgment in fresh
        for key, value in each.row.aspects.items()
    )


def _stretch(span: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in span.items() if name != "side"}


def _about(placed: PlacedLineup) -> str:
    about = str(placed.row.flag["about"])
    return str(placed.number(about)) if about.isdecimal() else about
