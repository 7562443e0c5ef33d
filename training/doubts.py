"""Judgments that look mislabelled: found by models that vote on what they have not seen, kept with the run, and (if asked)
learnt from as ties, turned round, or with a margin by how sure the votes are. What people said stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from django.utils.translation import ngettext
from numpy.typing import NDArray

from annotator.models import HINDSIGHT, Judgment
from attune import data, strength
from attune.encoders import encode_cached
from attune.rewards.base import Array
from training.models import Doubt, Run
from training.reporting import Reporter
from training.runs import note
from training.vectors import PostgresVectorStore

VOTER: Mapping[str, object] = {
    "ranks": [8],
    "class_sizes": [4],
    "rounds": 12,
    "class_rounds": 12,
    "last_rounds": 4,
    "rehearsals": 1,
}
"""Options of the hybrids that vote: many quick ones rather than a few of the best."""
MOST = 1_000
"""The likeliest, which are kept."""


def doubting(run: Run, snapshot: data.Snapshot, features: Mapping[str, Array], report: Reporter) -> data.Snapshot:
    """The snapshot that the run is to learn from. An earlier attempt's findings are replaced."""
    if run.doubtful == Run.Doubtful.KEEP:
        return snapshot
    report.phase("doubting")
    encoder = run.project.encoder
    if encoder != run.encoder:  # the run's is one that its own model alone reads, and not those that vote
        texts = {each.id: (each.prompt, each.text) for each in snapshot.responses.values()}
        features = encode_cached(encoder, texts, PostgresVectorStore(), report)
    votes = strength.vote(snapshot, features, encoder=encoder, options=VOTER, seed=run.seed, progress=report)
    rows = strength.suspects(votes)[:MOST]
    run.doubts.all().delete()
    Doubt.objects.bulk_create(_doubts(run, snapshot, votes, rows), ignore_conflicts=True)
    found = ngettext(
        "%(n)s of %(all)s judgments looks mislabelled.", "%(n)s of %(all)s judgments look mislabelled.", len(rows)
    )
    note(run, found % {"n": len(rows), "all": len(snapshot.judgments)})
    if run.doubtful == Run.Doubtful.FLIP:
        return strength.flipped(snapshot, rows)
    if run.doubtful == Run.Doubtful.SOFTEN:
        return _as_ties(snapshot, {int(row) for row in rows})
    if run.doubtful == Run.Doubtful.MARGIN:
        return strength.with_margins(snapshot, votes)
    return snapshot


def _as_ties(snapshot: data.Snapshot, rows: set[int]) -> data.Snapshot:
    """Soft labels of one half."""
    judgments = tuple(
        replace(each, choice="tie", strength=None, tags=(), rationale="") if number in rows else each
        for number, each in enumerate(snapshot.judgments)
    )
    return replace(snapshot, judgments=judgments, digest="")


def _doubts(run: Run, snapshot: data.Snapshot, votes: strength.Strengths, rows: NDArray[np.int64]) -> list[Doubt]:
    """Of those that are of pairs and still stand: a ranking's choices are no judgments of their own."""
    said = {int(row): snapshot.judgments[int(row)] for row in rows}
    standing = _standing(run, said.values())
    return [
        Doubt(
            run=run,
            judgment_id=standing[_key(each)],
            opposite=float(1 / (1 + np.exp(votes.mean[row]))),
            spread=float(votes.spread[row]),
        )
        for row, each in said.items()
        if _key(each) in standing
    ]


Key = tuple[str, str, str, str, bool, str]


def _key(said: data.Judgment) -> Key:
    return said.annotator, said.a, said.b, said.choice, said.repeat, said.judged_at


def _standing(run: Run, said: Collection[data.Judgment]) -> dict[Key, int]:
    """The judgments of pairs that were frozen as these and have not been changed since, by what tells them apart."""
    rows = Judgment.objects.filter(project=run.project, pair__isnull=False, current=True, withdrawn=False)
    rows = rows.filter(
        annotator__in={int(each.annotator) for each in said},
        judged_at__in={datetime.fromisoformat(each.judged_at) for each in said},
    )
    found = rows.values_list(
        *("pk", "annotator", "pair__response_a", "pair__response_b", "choice", "occasion", "judged_at")
    )
    return {
        (str(who), str(a), str(b), choice, occasion not in (0, HINDSIGHT), at.astimezone(UTC).isoformat()): pk
        for pk, who, a, b, choice, occasion, at in found
    }
