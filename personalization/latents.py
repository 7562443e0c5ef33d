"""An annotator's latent under a model version: stored, and adapted anew whenever their judgments have changed.

Weights are frozen, so adapting is a few Newton steps over the annotator's own judgments. The stored row carries the
signature of the judgments that it was made of; a new judgment, an undo or a withdrawal changes the signature, whoever
writes it, and the next reader adapts again. Two readers at once write the same row; whichever is last, its signature says
what went into it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from annotator.selectors import evidence
from attune.data import Choice
from attune.rewards.base import Comparison, Latent, RewardModel
from personalization.items import items_of_responses, load, usable
from training.serving import ServedVersion

_FLOAT = np.dtype("<f4")

# By hand, as it is part of every request that scores or chooses. The signature sums the ids rather than taking the
# highest: ids are given before a transaction commits, so a lower one can appear later.
_ROW = """
SELECT a.id, a.ref, a.name, a.user_id, a.simulated, said.signature,
       l.signature, l.mean, l.cov, l.extra, l.n_judgments, l.updated_at
FROM annotator_annotator a
CROSS JOIN LATERAL (
    SELECT count(*) || ':' || sum(j.id) AS signature FROM annotator_judgment j
    WHERE j.annotator_id = a.id AND j.current
) said
LEFT JOIN personalization_latent l ON l.annotator_id = a.id AND l.version_id = %s
"""
_UPSERT = """
INSERT INTO personalization_latent
    (annotator_id, version_id, signature, mean, cov, extra, n_judgments, n_unused, updated_at)
VALUES (%(annotator_id)s, %(version_id)s, %(signature)s, %(mean)s, %(cov)s, %(extra)s, %(n_judgments)s, %(n_unused)s,
    %(updated_at)s)
ON CONFLICT (annotator_id, version_id) DO UPDATE SET
    signature = EXCLUDED.signature, mean = EXCLUDED.mean, cov = EXCLUDED.cov, extra = EXCLUDED.extra,
    n_judgments = EXCLUDED.n_judgments, n_unused = EXCLUDED.n_unused, updated_at = EXCLUDED.updated_at
"""


@dataclass(frozen=True, slots=True)
class Person:
    """An annotator with their up-to-date latent under one version.

    ``name`` is how to show them, and ``updated_at`` None where nothing is stored.
    """

    id: int
    ref: str
    name: str
    user_id: int | None
    simulated: bool
    latent: Latent
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Row:
    """An annotator, the signature of their judgments now, and what is stored for them."""

    id: int
    ref: str
    name: str
    user_id: int | None
    simulated: bool
    signature: str | None
    stored_signature: str | None
    mean: memoryview | None
    cov: memoryview | None
    extra: str | None
    n_judgments: int | None
    updated_at: datetime | None


def latent_for(*, annotator_id: int | None, served: ServedVersion) -> Latent:
    """The annotator's latent, adapted if their judgments have changed; the prior for None or somebody unknown.

    One query where the stored one is current. Raises ``ModelUnusable``.
    """
    person = None if annotator_id is None else find_person(served=served, pk=annotator_id)
    return person.latent if person else load(served).prior()


def find_person(*, served: ServedVersion, pk: int) -> Person | None:
    """The annotator with their latent; None if there is none."""
    row = _row("a.id = %s", [served.id, pk])
    return _person(row, served) if row else None


def find_person_by_ref(*, served: ServedVersion, project_id: int, ref: str) -> Person | None:
    """The annotator of a project whom its owner calls ``ref``, with their latent; None if there is none."""
    row = _row("a.project_id = %s AND a.ref = %s", [served.id, project_id, ref])
    return _person(row, served) if row else None


def adapt_with(*, annotator_id: int | None, served: ServedVersion, inline: Sequence[Comparison]) -> Latent:
    """A latent from the annotator's own judgments together with ``inline`` ones. Stores nothing."""
    model = load(served)
    own, _ = ([], 0) if annotator_id is None else _context(model, served, annotator_id)
    with usable(served):
        return model.adapt([*own, *inline])


def refresh(*, annotator_id: int, served: ServedVersion) -> Latent | None:
    """Adapt and store, whatever is stored; None if there is no such annotator."""
    row = _row("a.id = %s", [served.id, annotator_id])
    return _adapted(row, served, load(served))[0] if row else None


def _row(where: str, values: list[int | str]) -> _Row | None:
    with connection.cursor() as cursor:
        cursor.execute(f"{_ROW} WHERE {where}", values)
        row = cursor.fetchone()
    return _Row(*row) if row else None


def _person(row: _Row, served: ServedVersion) -> Person:
    model = load(served)
    if not row.signature:
        latent, updated_at = model.prior(), None
    elif row.signature == row.stored_signature and (stored := _unpacked(row, model)):
        latent, updated_at = stored, row.updated_at
    else:
        latent, updated_at = _adapted(row, served, model)
    return Person(row.id, row.ref, row.name or row.ref, row.user_id, row.simulated, latent, updated_at)


def _unpacked(row: _Row, model: RewardModel) -> Latent | None:
    """The stored posterior, or None where it has not the shape of this model's latents."""
    shape = model.prior().mean.shape
    mean, cov = np.frombuffer(row.mean or b"", _FLOAT), np.frombuffer(row.cov or b"", _FLOAT)
    if mean.shape != shape or cov.size != mean.size**2:
        return None
    return Latent(mean, cov.reshape(mean.size, mean.size), row.n_judgments or 0, json.loads(row.extra or "{}"))


def _adapted(row: _Row, served: ServedVersion, model: RewardModel) -> tuple[Latent, datetime]:
    """A new posterior, stored under the signature read *before* the judgments: a later one makes it stale, never wrong."""
    context, unused = _context(model, served, row.id)
    with usable(served):
        latent = model.adapt(context)
    return latent, _store(row, served, latent, unused)


def _context(model: RewardModel, served: ServedVersion, annotator_id: int) -> tuple[list[Comparison], int]:
    """The annotator's judgments as comparisons, and how many are left out for want of a vector."""
    judged = evidence.comparisons(annotator_id)
    ids = {pk for each in judged for pk in (each.response_a_id, each.response_b_id)}
    items = items_of_responses(model=model, served=served, ids=ids)
    context = [
        Comparison(
            items[each.response_a_id], items[each.response_b_id], cast(Choice, each.choice), each.strength, each.swapped
        )
        for each in judged
        if each.response_a_id in items and each.response_b_id in items
    ]
    return context, len(judged) - len(context)


def _store(row: _Row, served: ServedVersion, latent: Latent, unused: int) -> datetime:
    """Write the posterior over whatever is there, in one statement.

    Nothing waits for the disk: a row that a crash loses is made anew. (Not so within a transaction of the caller's, whose
    other writes are no derived data.)
    """
    now = timezone.now()
    values: dict[str, Any] = {
        "annotator_id": row.id,
        "version_id": served.id,
        "signature": row.signature or "",
        "mean": np.asarray(latent.mean, _FLOAT).tobytes(),
        "cov": np.asarray(latent.cov, _FLOAT).tobytes(),
        "extra": json.dumps({name: float(value) for name, value in latent.extra.items()}),
        "n_judgments": latent.n,
        "n_unused": unused,
        "updated_at": now,
    }
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute(_UPSERT, values)
    return now
