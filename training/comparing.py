"""Two snapshots of a project side by side, with the texts that their rows are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import Annotator, Project
from attune.data import Judgment, Response
from attune.snapshot_diff import Changed, SnapshotDiff, diff_snapshots, texts_of
from training import store
from training.models import Snapshot

KINDS = ("came", "went", "changed")


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One judgment that differs. ``before`` is None for one that came, ``after`` for one that went."""

    kind: str
    annotator: str
    """Their reference; empty for somebody who is no longer there."""
    prompt: str
    response_a: str
    response_b: str
    before: Judgment | None
    after: Judgment | None
    fields: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        sides = {"before": self.before, "after": self.after}
        said = {name: _said(judgment) if judgment else None for name, judgment in sides.items()}
        about = ("kind", "annotator", "prompt", "response_a", "response_b")
        return {**{name: getattr(self, name) for name in about}, **said, "fields": [*self.fields]}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of ``before`` in ``after``: counts, and the rows that were asked for."""

    before: Snapshot
    after: Snapshot
    counts: dict[str, int]
    rows: list[DiffRow]


def compare(
    *, before: Snapshot, after: Snapshot, kinds: Sequence[str] = KINDS, first: int = 0, most: int | None = None
) -> Comparison:
    """Rows ``first`` to ``first + most`` of the kinds that are asked for, in their order. Raises ``StoreError``, ``ArtifactError``."""
    folders = store.fetch_folder(before.path), store.fetch_folder(after.path)
    diff = diff_snapshots(*folders)
    found = _listed(diff, kinds)
    shown = found[first : None if most is None else first + most]
    ids = {side for _, change in shown for each in _sides(change) for side in (each.a, each.b)}
    texts = texts_of(folders[0], ids) | texts_of(folders[1], ids)
    people = _references(before.project, {each.annotator for _, change in shown for each in _sides(change)})
    return Comparison(before, after, diff.counts, [_row(kind, change, texts, people) for kind, change in shown])


def checked_kinds(asked: str) -> tuple[str, ...]:
    """The kinds that an address asks for; all where it names none. Raises ``Invalid``."""
    if not asked:
        return KINDS
    if asked not in KINDS:
        expected = _("Expected one of %(known)s.") % {"known": ", ".join(KINDS)}
        known = {"asked": asked[:40], "expected": expected}
        raise Invalid(_("“%(asked)s” is no kind of difference. %(expected)s") % known, fields={"kind": expected})
    return (asked,)


def _listed(diff: SnapshotDiff, kinds: Sequence[str]) -> list[tuple[str, Judgment | Changed]]:
    return [(kind, each) for kind in KINDS if kind in kinds for each in getattr(diff, kind)]


def _sides(change: Judgment | Changed) -> tuple[Judgment, ...]:
    return (change.before, change.after) if isinstance(change, Changed) else (change,)


def _references(project: Project, ids: set[str]) -> dict[str, str]:
    rows = Annotator.objects.filter(project=project, pk__in=[int(each) for each in ids])
    return {str(pk): ref for pk, ref in rows.values_list("pk", "ref")}


def _row(kind: str, change: Judgment | Changed, texts: dict[str, Response], people: dict[str, str]) -> DiffRow:
    one = _sides(change)[-1]
    before = change.before if isinstance(change, Changed) else None if kind == "came" else change
    after = change.after if isinstance(change, Changed) else None if kind == "went" else change
    fields = change.fields if isinstance(change, Changed) else ()
    a, b = texts[one.a], texts[one.b]
    return DiffRow(kind, people.get(one.annotator, ""), a.prompt, a.text, b.text, before, after, fields)


def _said(judgment: Judgment) -> dict[str, Any]:
    names = ("choice", "strength", "swapped", "rationale", "judged_at", "repeat")
    lists = {name: [*getattr(judgment, name)] for name in ("tags", "spans")}
    return {**{name: getattr(judgment, name) for name in names}, **lists}
