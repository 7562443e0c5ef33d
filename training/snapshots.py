"""Freezing a project's judgments to a file that is named by what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject

from annotator.models import HINDSIGHT, Judgment, Project, Response, Span, User
from attune import data
from training import store
from training.aspects import aspect_marks
from training.errors import NothingToLearn
from training.models import Snapshot

CHUNK = 2_000
LEARNT_FROM = ("a", "b", "tie", "both_good", "both_bad")
_COUNTED_AS = {"a": "decided", "b": "decided", "tie": "ties", "both_good": "ties", "both_bad": "both_bad"}
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

_MARK = ("response", "good", "start", "end")


def usable_judgments(project: Project) -> QuerySet[Judgment]:
    """What a model of the project learns from: current, not withdrawn, not skipped, of annotators in training.

    Those whom their checks left out (``Annotator.dropped_at``) are not in it. Of a pair that was judged again with
    hindsight, ``Project.hindsight_trains`` says which judgment is, or both.
    """
    return _looks(project, _consented(project).filter(annotator__dropped_at=None))


def _looks(project: Project, judged: QuerySet[Judgment]) -> QuerySet[Judgment]:
    if project.hindsight_trains == Project.Looks.FIRST:
        return judged.exclude(occasion=HINDSIGHT)
    if project.hindsight_trains == Project.Looks.BOTH:
        return judged
    same = Judgment.objects.filter(annotator=OuterRef("annotator"), pair=OuterRef("pair"), occasion=HINDSIGHT)
    again = Exists(same.filter(current=True, withdrawn=False, choice__in=LEARNT_FROM))
    return judged.exclude(Q(occasion=0) & again)


def _consented(project: Project) -> QuerySet[Judgment]:
    return Judgment.objects.filter(
        project=project,
        kind=Judgment.Kind.PAIR,
        current=True,
        withdrawn=False,
        choice__in=LEARNT_FROM,
        annotator__in_training=True,
    )


def _dropped(project: Project) -> dict[str, int]:
    """What is left out because of failed checks, for the snapshot to say so."""
    return (
        _consented(project)
        .exclude(annotator__dropped_at=None)
        .aggregate(dropped_judgments=Count("pk"), dropped_annotators=Count("annotator", distinct=True))
    )


def take_snapshot(*, project: Project, by: User | None = None) -> Snapshot:
    """Freeze the project's usable judgments. The same judgments give the same digest, the same file, the same row.

    Flat in memory: rows go from the database's cursor to the file. Raises ``NothingToLearn`` where no judgment prefers
    a response, ``StoreError`` where the file can't be kept.
    """
    tally = _Tally()
    with store.work_folder() as work:
        with _one_moment():
            last = usable_judgments(project).aggregate(last=Max("id"))["last"] or 0
            dropped = _dropped(project)
            about = {"project": project.slug, "last_judgment": last, "looks": project.hindsight_trains, **dropped}
            digest = data.write_snapshot(
                work / "snapshot", _responses(project, tally), _judgments(project, tally), about
            )
        if not tally.counts["decided"]:
            raise NothingToLearn(
                f"“{project.name}” has {tally.counts['judgments']} judgments to learn from and none prefers one "
                "response over the other; expected at least one that does."
            )
        path = f"snapshots/{project.pk}/{digest}"
        store.put_folder(work / "snapshot", path)
    snapshot, _ = Snapshot.objects.get_or_create(
        project=project,
        digest=digest,
        defaults={"path": path, "counts": {**tally.result(), **dropped}, "last_judgment": last, "created_by": by},
    )
    return snapshot


def load_snapshot(snapshot: Snapshot) -> data.Snapshot:
    """Read a snapshot back, checked against its digest. Raises ``ArtifactError`` or ``StoreError``."""
    return data.read_snapshot(store.fetch_folder(snapshot.path))


@dataclass(slots=True)
class _Tally:
    """Counts what goes by on its way to the file."""

    counts: Counter[str] = field(default_factory=Counter)
    annotators: set[int] = field(default_factory=set)
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


def _responses(project: Project, tally: _Tally) -> Iterator[data.Response]:
    pairs = usable_judgments(project).values
    named = Q(pk__in=pairs("pair__response_a")) | Q(pk__in=pairs("pair__response_b"))
    rows = (
        Response.objects.filter(named)
        .order_by("pk")
        .values_list("pk", "prompt_id", "prompt__text", "text", "prompt__topic")
    )
    for pk, prompt_id, prompt, text, topic in rows.iterator(CHUNK):
        tally.counts["responses"] += 1
        tally.prompts.add(prompt_id)
        yield data.Response(str(pk), prompt, text, topic)


def _judgments(project: Project, tally: _Tally) -> Iterator[data.Judgment]:
    spans = Span.objects.filter(judgment=OuterRef("pk")).order_by("response", "start", "pk")
    marked = ArraySubquery(spans.values_list(JSONObject(**{name: name for name in _MARK})))
    judged = usable_judgments(project).annotate(marked=marked).order_by("judged_at", "pk")
    rows = judged.values_list(*_COLUMNS, named=True)
    marks = aspect_marks(project)
    for row in rows.iterator(CHUNK):
        tally.counts.update(("judgments", _COUNTED_AS[row.choice]))
        tally.annotators.add(row.annotator_id)
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
