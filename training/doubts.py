"""Judgments that look mislabelled: found by models that vote on what they have not seen, kept with the run, and (if asked)
learnt from as ties, turned round, or with a margin by how sure the votes are. What people said stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from django.utils.translation import ngettext
from numpy.typing import NDArray

from annotator.models import Judgment
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
    mean, spread = votes.mean, votes.spread
    found = []
    for row in rows:
        said = snapshot.judgments[int(row)]
        judgment = Judgment.objects.filter(
            project=run.project,
            annotator=int(said.annotator),
            pair__response_a=int(said.a),
            pair__response_b=int(said.b),
            choice=said.choice,
            occasion=0,
            current=True,
            withdrawn=False,
        ).first()
        if judgment is not None:
            opposite = float(1 / (1 + np.exp(mean[row])))
            found.append(Doubt(run=run, judgment=judgment, opposite=opposite, spread=float(spread[row])))
    return found
