"""Freezing a project's judgments to a file that is named by what it says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import Count, Exists, Func, Max, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotator.errors import Conflict, Invalid
from annotator.models import HINDSIGHT, Judgment, Project, Response, Span, User
from annotator.selectors.evidence import of_lineup
from annotator.services import audit
from attune import data
from training import store
from training.aspects import aspect_marks
from training.errors import NothingToLearn
from training.filters import SnapshotFilters
from training.models import Snapshot, SnapshotPerson
from training.moments import check_settled, dropped_at, stood_at

CHUNK = 2_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
DIGEST = re.compile(r"[0-9a-f]{8,}")
"""What names a snapshot by the start of its digest."""
LEARNT_FROM = ("a", "b", "tie", "both_good", "both_bad", "ranked", "rated")
COUNTED_AS = {"a": "decided", "b": "decided", "tie": "ties", "both_good": "ties", "both_bad": "both_bad"}
_COLUMNS = (
    "pk",
    "annotator_id",
    "pair__response_a_id",
    "pair__response_b_id",
    "choice",
    "strength",
    "swapped",
    "rationale__text",
    "rationale__tags",
    "judged_at",
    "about",
    "occasion",
    "marked",
)

_AMONG = "before.id = ANY (%(judgments)s)"
_OF_LINEUPS = f"""
SELECT j.id, j.annotator_id, j.judged_at, j.about::text, said.a, said.b, said.choice, said.swapped, said.weight
FROM annotator_judgment j JOIN annotator_lineup u ON u.id = j.lineup_id CROSS JOIN LATERAL ({of_lineup(_AMONG)}) AS said
WHERE j.id = ANY (%(judgments)s) ORDER BY j.judged_at, j.id, said.a, said.b
"""
_MARK = ("response", "good", "start", "end")


EVERYTHING = SnapshotFilters()


def usable_judgments(
    project: Project, *, at: datetime | None = None, filters: SnapshotFilters = EVERYTHING
) -> QuerySet[Judgment]:
    """What a model of the project learns from: current, not withdrawn, not skipped, of annotators in training.

    Those whom their checks left out (``Annotator.dropped_at``) are not in it, unless ``filters`` say so. Of a pair that was
    judged again with hindsight, ``Project.hindsight_trains`` says which judgment is, or both. ``at``: as it was at that
    moment, but for consent: who has taken theirs back since is not in it.
    """
    rows = _looks(project, _consented(project, at, filters))
    if filters.failed_checks == "keep":
        return rows
    return rows.filter(annotator__dropped_at=None) if at is None else rows.exclude(annotator__in=dropped_at(at))


def _looks(project: Project, judged: QuerySet[Judgment]) -> QuerySet[Judgment]:
    if project.hindsight_trains == Project.Looks.FIRST:
        return judged.exclude(occasion=HINDSIGHT)
    if project.hindsight_trains == Project.Looks.BOTH:
        return judged
    again = judged.filter(annotator=OuterRef("annotator"), occasion=HINDSIGHT)
    twice = Exists(again.filter(pair=OuterRef("pair"))) | Exists(again.filter(lineup=OuterRef("lineup")))
    return judged.exclude(Q(occasion=0) & twice)


def _consented(project: Project, at: datetime | None, filters: SnapshotFilters) -> QuerySet[Judgment]:
    rows = Judgment.objects.filter(project=project)
    rows = rows.filter(current=True) if at is None else stood_at(rows, at)
    rows = rows.filter(withdrawn=False, choice__in=LEARNT_FROM, annotator__in_training=True)
    return filters.of(rows)


def _dropped(project: Project, at: datetime | None, filters: SnapshotFilters) -> dict[str, int]:
    """What is left out because of failed checks, for the snapshot to say so."""
    if filters.failed_checks == "keep":
        return {"dropped_judgments": 0, "dropped_annotators": 0}
    rows = _consented(project, at, filters)
    rows = rows.exclude(annotator__dropped_at=None) if at is None else rows.filter(annotator__in=dropped_at(at))
    return rows.aggregate(dropped_judgments=Count("pk"), dropped_annotators=Count("annotator", distinct=True))


def take_snapshot(
    *,
    project: Project,
    by: User | None = None,
    name: str = "",
    at: datetime | None = None,
    filters: SnapshotFilters = EVERYTHING,
) -> Snapshot:
    """Freeze the project's usable judgments. The same judgments give the same digest, the same file, the same row.

    ``at`` freezes them as they were at that moment, now or ever again. Flat in memory: rows go from the database's cursor to
    the file. Raises ``NothingToLearn`` where no judgment prefers a response, ``StoreError`` where the file can't be kept,
    ``Invalid`` for a name or moment that can't be, ``Conflict`` for a name that is taken, for judgments that are frozen under
    another name, and for a moment that is still being written.
    """
    check_name(project, name)
    if at:
        check_settled(at)
    with store.work_folder() as work:
        frozen = _write(project, work / "snapshot", at=at, filters=filters)
        path = f"snapshots/{project.pk}/{frozen.digest}"
        store.put_folder(work / "snapshot", path)
    with transaction.atomic():
        snapshot = _register(project, frozen, path=path, created_by=by, as_of=at, filters=filters.as_json())
        if name:
            name_snapshot(snapshot=snapshot, name=name, by=by)
    return snapshot


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What a folder holds. ``annotators``: how many judgments each has in it."""

    digest: str
    last_judgment: int
    counts: dict[str, int]
    annotators: Mapping[int, int]


def _write(project: Project, folder: Path, *, at: datetime | None, filters: SnapshotFilters) -> _Frozen:
    """Write the usable judgments of one moment to ``folder``. Raises ``NothingToLearn``."""
    tally = _Tally()
    with _one_moment():
        rows = usable_judgments(project, at=at, filters=filters)
        last = rows.aggregate(last=Max("id"))["last"] or 0
        dropped, looks = _dropped(project, at, filters), {"looks": project.hindsight_trains}
        about = {"project": project.slug, "last_judgment": last, **looks, **dropped, **_asked(at, filters)}
        judgments = _in_order(project, rows, tally)
        digest = data.write_snapshot(folder, _responses(rows, tally), judgments, about)
    if not tally.counts["decided"]:
        raise NothingToLearn(
            ngettext(
                "“%(name)s” has %(n)s judgment to learn from and it does not prefer one response over the other; expected at least one that does.",
                "“%(name)s” has %(n)s judgments to learn from and none prefers one response over the other; expected at least one that does.",
                tally.counts["judgments"],
            )
            % {"name": project.name, "n": tally.counts["judgments"]}
        )
    return _Frozen(digest, last, {**tally.result(), **dropped}, tally.annotators)


def _register(project: Project, frozen: _Frozen, **fields: Any) -> Snapshot:
    """The row of what was written, with whose judgments are in it; the one that is there where the same was frozen before."""
    fields |= {"counts": frozen.counts, "last_judgment": frozen.last_judgment}
    snapshot, fresh = Snapshot.objects.get_or_create(project=project, digest=frozen.digest, erased=[], defaults=fields)
    if fresh:
        SnapshotPerson.objects.bulk_create(
            SnapshotPerson(snapshot=snapshot, annotator_id=who, judgments=count)
            for who, count in sorted(frozen.annotators.items())
        )
    return snapshot


def name_snapshot(*, snapshot: Snapshot, name: str, by: User | None) -> None:
    """Give a snapshot its name; one that has it keeps it. Raises ``Invalid``, and ``Conflict`` where it has another."""
    if snapshot.name == name:
        return
    if snapshot.name:
        raise Conflict(_("These judgments are frozen already, as “%(name)s”.") % {"name": snapshot.name})
    check_name(snapshot.project, name)
    with transaction.atomic():
        snapshot.name = name
        snapshot.save(update_fields=["name"])
        audit.record(project=snapshot.project, by=by, what="snapshot named", snapshot=snapshot.digest, name=name)


def check_name(project: Project, name: str) -> None:
    """Raise ``Invalid`` for what no name can be, ``Conflict`` for one that the project has; none at all is fine."""
    if not name:
        return
    if not NAME.fullmatch(name) or DIGEST.fullmatch(name):
        expected = _("Expected 1 to 80 letters, digits, dots, dashes and underscores, which don’t read like a digest.")
        known = {"name": name[:80], "expected": expected}
        raise Invalid(_("“%(name)s” can’t be a name. %(expected)s") % known, fields={"name": expected})
    if project.snapshots.filter(name=name).exists():
        raise Conflict(_("There is a snapshot “%(name)s” already; names are given once.") % {"name": name})


def load_snapshot(snapshot: Snapshot) -> data.Snapshot:
    """Read a snapshot back, checked against its digest.

    Raises ``ArtifactError`` or ``StoreError``, and ``Conflict`` while somebody is being taken out of it.
    """
    if any(each["was"] is None for each in snapshot.erased):
        raise Conflict(_("Somebody is being erased from %(snapshot)s; try again in a minute.") % {"snapshot": snapshot})
    return data.read_snapshot(store.fetch_folder(snapshot.path))


@dataclass(slots=True)
class _Tally:
    """Counts what goes by on its way to the file."""

    counts: Counter[str] = field(default_factory=Counter)
    annotators: Counter[int] = field(default_factory=Counter)
    prompts: set[int] = field(default_factory=set)

    def result(self) -> dict[str, int]:
        counts = {name: self.counts[name] for name in ("judgments", "decided", "ties", "both_bad", "responses")}
        return {**counts, "annotators": len(self.annotators), "prompts": len(self.prompts)}


@contextmanager
def _one_moment() -> Iterator[None]:
    """What is read inside is of one moment; within a caller's own transaction, of that transaction's isolation."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _asked(at: datetime | None, filters: SnapshotFilters) -> dict[str, object]:
    moment = {"as_of": at.astimezone(UTC).isoformat()} if at else {}
    return {**moment, **({"filters": filters.as_json()} if filters != EVERYTHING else {})}


def _responses(judged: QuerySet[Judgment], tally: _Tally) -> Iterator[data.Response]:
    pairs = judged.filter(kind=Judgment.Kind.PAIR).order_by().values
    lineups = judged.exclude(kind=Judgment.Kind.PAIR).order_by()
    of_lineups = lineups.annotate(each=Func("lineup__responses", function="unnest")).values("each")
    named = Q(pk__in=pairs("pair__response_a")) | Q(pk__in=pairs("pair__response_b")) | Q(pk__in=of_lineups)
    rows = (
        Response.objects.filter(named)
        .order_by("pk")
        .values_list("pk", "prompt_id", "prompt__text", "text", "prompt__topic")
    )
    for pk, prompt_id, prompt, text, topic in rows.iterator(CHUNK):
        tally.counts["responses"] += 1
        tally.prompts.add(prompt_id)
        yield data.Response(str(pk), prompt, text, topic)


def _in_order(project: Project, usable: QuerySet[Judgment], tally: _Tally) -> Iterator[data.Judgment]:
    """Everything that was said, in the order of judging."""
    pairs, lineups = usable.filter(kind=Judgment.Kind.PAIR), usable.exclude(kind=Judgment.Kind.PAIR)
    return merge(_judgments(project, pairs, tally), _of_lineups(lineups, tally), key=attrgetter("judged_at"))


def _of_lineups(usable: QuerySet[Judgment], tally: _Tally) -> Iterator[data.Judgment]:
    """Rankings and ratings as the comparisons that they hold, weighted so that an act counts as what it tells."""
    values = {"judgments": list(usable.order_by().values_list("pk", flat=True))}
    with connection.cursor() as cursor:
        cursor.execute(_OF_LINEUPS, values)
        last = 0
        while rows := cursor.fetchmany(CHUNK):
            for pk, annotator, judged_at, about, a, b, choice, swapped, weight in rows:
                if pk != last:
                    tally.counts["judgments"] += 1
                    tally.annotators[annotator] += 1
                tally.counts["decided" if choice in ("a", "b") else "ties"] += pk != last
                last = pk
                part = json.loads(about).get("part", "")
                yield data.Judgment(
                    annotator=str(annotator),
                    a=str(a),
                    b=str(b),
                    choice=choice,
                    swapped=bool(swapped),
                    judged_at=judged_at.astimezone(UTC).isoformat(),
                    part=part if part in data.PARTS else "",
                    weight=weight,
                )


def _judgments(project: Project, usable: QuerySet[Judgment], tally: _Tally) -> Iterator[data.Judgment]:
    spans = Span.objects.filter(judgment=OuterRef("pk")).order_by("response", "start", "pk")
    marked = ArraySubquery(spans.values_list(JSONObject(**{name: name for name in _MARK})))
    judged = usable.annotate(marked=marked).order_by("judged_at", "pk")
    rows = judged.values_list(*_COLUMNS, named=True)
    marks = aspect_marks(project)
    for row in rows.iterator(CHUNK):
        tally.counts.update(("judgments", COUNTED_AS[row.choice]))
        tally.annotators[row.annotator_id] += 1
        part, slices = row.about.get("part", ""), row.about.get("slices", [])
        yield data.Judgment(
            annotator=str(row.annotator_id),
            a=str(row.pair__response_a_id),
            b=str(row.pair__response_b_id),
            choice=row.choice,
            strength=row.strength,
            swapped=row.swapped,
            rationale=row.rationale__text or "",
            tags=(*(_signed(tag) for tag in row.rationale__tags or ()), *marks.get(row.pk, ())),
            judged_at=row.judged_at.astimezone(UTC).isoformat(),
            part=part if part in data.PARTS else "",
            slices=tuple(each for each in slices if isinstance(each, str)) if isinstance(slices, list) else (),
            repeat=row.occasion not in (0, HINDSIGHT),
            spans=tuple(_span(mark, row.pair__response_a_id) for mark in row.marked),
        )


def _span(mark: dict[str, int | bool], response_a: int) -> str:
    """A marked stretch as one text: ``a+0:12``."""
    side = "a" if mark["response"] == response_a else "b"
    return f"{side}{'+' if mark['good'] else '-'}{mark['start']}:{mark['end']}"


def _signed(tag: dict[str, object]) -> str:
    """A reason tag as one text, with its side and sign: ``a+clear``, ``b-too_long``."""
    return f"{tag['side']}{'+' if tag['good'] else '-'}{tag['tag']}"
