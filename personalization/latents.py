"""An annotator's latent under a model version: stored, and adapted anew whenever their judgments have changed.

Weights are frozen, so adapting is a few Newton steps over the annotator's own judgments. The stored row carries the
signature of the judgments and of the statements about oneself that it was made of; a new one, an undo or a withdrawal changes it, whoever
writes it, and the next reader adapts again. Two readers at once write the same row; whichever is last, its signature says
what went into it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from annotator.selectors.evidence import NEWS, SIGNATURE, Standing
from annotator.statements import Statement
from attune.rewards.base import Comparison, Latent, RewardModel
from personalization.contexts import context_of, last_known
from personalization.items import load, usable
from personalization.statements import stated_by, with_stated
from training.serving import STILL_LIVE, ServedVersion, live_before, live_version

_FLOAT = np.dtype("<f4")
FEW = 32
"""With fewer new judgments than this, all of pairs, a person's row brings them along; others are read by themselves."""
STORED_EVERY = timedelta(seconds=1)
"""A person who judges faster than this has not every posterior stored, as one is 30 kB; readers in between adapt anew."""

# By hand, as it is part of every request that scores or chooses.
_COLUMNS = """
SELECT a.id, a.ref, a.name, a.user_id, a.simulated, said.signature, stated.signature,
       l.mean, l.cov, l.extra, l.n_judgments, stored.updated_at
"""
_OF = f"""
FROM annotator_annotator a
CROSS JOIN LATERAL ({SIGNATURE}) AS said (signature)
CROSS JOIN LATERAL (
    SELECT coalesce('/' || max(s.id), '') FROM personalization_traitstatement s WHERE s.annotator_id = a.id
) AS stated (signature)
LEFT JOIN personalization_latent stored ON stored.annotator_id = a.id AND stored.version_id = %(version)s
LEFT JOIN personalization_latent l ON l.id = stored.id AND l.signature = said.signature || stated.signature
"""
_ROW = _COLUMNS + _OF
_BY_ID_WITH_NEWS = Statement(
    f"{_COLUMNS}, {STILL_LIVE}, news.* {_OF} LEFT JOIN LATERAL ({NEWS} LIMIT {FEW}) AS news ON TRUE"
    " WHERE a.id = %(annotator)s"
)
_BY_ID = Statement(f"{_ROW} WHERE a.id = %(annotator)s")
_BY_REF = Statement(f"{_ROW} WHERE a.project_id = %(project)s AND a.ref = %(ref)s")
_BY_REFS = Statement(f"{_ROW} WHERE a.project_id = %(project)s AND a.ref = ANY(%(refs)s::text[])")
_JUDGED = Statement(
    f"{_ROW} WHERE a.project_id = %(project)s AND said.signature IS NOT NULL ORDER BY a.id LIMIT %(most)s::int"
)
_UPSERT = Statement("""
INSERT INTO personalization_latent
    (annotator_id, version_id, signature, mean, cov, extra, n_judgments, n_unused, updated_at)
VALUES (%(annotator_id)s, %(version_id)s, %(signature)s, %(mean)s, %(cov)s, %(extra)s, %(n_judgments)s, %(n_unused)s,
    %(updated_at)s)
ON CONFLICT (annotator_id, version_id) DO UPDATE SET
    signature = EXCLUDED.signature, mean = EXCLUDED.mean, cov = EXCLUDED.cov, extra = EXCLUDED.extra,
    n_judgments = EXCLUDED.n_judgments, n_unused = EXCLUDED.n_unused, updated_at = EXCLUDED.updated_at
RETURNING updated_at
""")


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
    """An annotator, the signature of their judgments now, and what is stored for them: the numbers only if current."""

    id: int
    ref: str
    name: str
    user_id: int | None
    simulated: bool
    signature: str | None
    stated: str
    """What it grows by with each statement of theirs about their own taste."""
    mean: memoryview | None
    cov: memoryview | None
    extra: str | None
    n_judgments: int | None
    updated_at: datetime | None


_WIDTH = len(fields(_Row))


def latent_for(*, annotator_id: int | None, served: ServedVersion) -> Latent:
    """The annotator's latent, adapted if their judgments have changed; the prior for None or somebody unknown.

    One query where the stored one is current. Raises ``ModelUnusable``.
    """
    person = None if annotator_id is None else find_person(served=served, pk=annotator_id)
    return person.latent if person else load(served).prior()


def find_person(*, served: ServedVersion, pk: int) -> Person | None:
    """The annotator with their latent; None if there is none."""
    if (last := last_known(annotator_id=pk, served=served)) is None:
        row = _row(_BY_ID, version=served.id, annotator=pk)
        return _person(row, served) if row else None
    found = _BY_ID_WITH_NEWS.run({"version": served.id, "annotator": pk, "after": last})
    return _person_with_news(found, served) if found else None


def live_latent_for(*, project_id: int, annotator_id: int) -> tuple[ServedVersion, Latent] | None:
    """The version that answers for the project, and the annotator's latent under it; None before the first promotion.

    One query where both are as they were; else one more for each. Raises ``ModelUnusable``.
    """
    if (before := live_before(project_id)) and (
        last := last_known(annotator_id=annotator_id, served=before)
    ) is not None:
        found = _BY_ID_WITH_NEWS.run({"version": before.id, "annotator": annotator_id, "after": last})
        if found and found[0][_WIDTH]:
            return before, _person_with_news(found, before).latent
    served = live_version(project_id)
    return (served, latent_for(annotator_id=annotator_id, served=served)) if served else None


def find_person_by_ref(*, served: ServedVersion, project_id: int, ref: str) -> Person | None:
    """The annotator of a project whom its owner calls ``ref``, with their latent; None if there is none."""
    row = _row(_BY_REF, version=served.id, project=project_id, ref=ref)
    return _person(row, served) if row else None


def find_people(
    *, served: ServedVersion, project_id: int, refs: Sequence[str] | None = None, most: int = 10_000
) -> list[Person]:
    """A project's annotators called ``refs``, or (without) at most ``most`` of those who have judged, with their latents.

    One query; each whose stored latent is out of date is adapted first.
    """
    values: dict[str, Any] = {"version": served.id, "project": project_id}
    if refs is None:
        found = _JUDGED.run(values | {"most": most})
    else:
        found = _BY_REFS.run(values | {"refs": list(refs)}) if refs else []
    return [_person(_Row(*each), served) for each in found]


def adapt_with(*, annotator_id: int | None, served: ServedVersion, inline: Sequence[Comparison]) -> Latent:
    """A latent from the annotator's own judgments together with ``inline`` ones. Stores nothing."""
    model = load(served)
    own = () if annotator_id is None else _said(annotator_id, model, served)
    stated = {} if annotator_id is None else stated_by(annotator_id)
    with usable(served):
        return with_stated(model, [*own, *inline], stated)


def _said(annotator_id: int, model: RewardModel, served: ServedVersion) -> Sequence[Comparison]:
    return context_of(annotator_id=annotator_id, model=model, served=served).comparisons


def refresh(*, annotator_id: int, served: ServedVersion) -> Latent | None:
    """Adapt and store, whatever is stored; None if there is no such annotator."""
    row = _row(_BY_ID, version=served.id, annotator=annotator_id)
    if row is None:
        return None
    latent, unused = _adapted(row, served, load(served))
    _store(row, served, latent, unused)
    return latent


def _row(statement: Statement, **values: int | str) -> _Row | None:
    found = statement.run(values)
    return _Row(*found[0]) if found else None


def _person_with_news(found: Sequence[tuple[Any, ...]], served: ServedVersion) -> Person:
    """From the rows of ``_BY_ID_WITH_NEWS``: the person, whether the version is live, and one judgment, if there is any."""
    rows = [each[_WIDTH + 1 :] for each in found if each[_WIDTH + 1]]
    whole = len(rows) < FEW and not any(of_lineup for *_, of_lineup in rows)
    news = [Standing._make(said) for *said, _ in rows] if whole else None
    return _person(_Row(*found[0][:_WIDTH]), served, news)


def _person(row: _Row, served: ServedVersion, news: Sequence[Standing] | None = None) -> Person:
    """``news``: what was judged since the context set in memory, if that is known."""
    model = load(served)
    if not row.signature:
        latent, updated_at = model.prior(), None
    elif row.mean is not None and (stored := _unpacked(row, model)):
        latent, updated_at = stored, row.updated_at
    else:
        latent, unused = _adapted(row, served, model, news)
        updated_at = timezone.now() if _was_just_stored(row) else _store(row, served, latent, unused)
    return Person(row.id, row.ref, row.name or row.ref, row.user_id, row.simulated, latent, updated_at)


def _unpacked(row: _Row, model: RewardModel) -> Latent | None:
    """The stored posterior, or None where it has not the shape of this model's latents."""
    prior = model.prior()
    mean, cov = np.frombuffer(row.mean or b"", _FLOAT), np.frombuffer(row.cov or b"", _FLOAT)
    if mean.shape != prior.mean.shape or cov.size != prior.cov.size:
        return None
    return Latent(mean, cov.reshape(prior.cov.shape), row.n_judgments or 0, json.loads(row.extra or "{}"))


def _was_just_stored(row: _Row) -> bool:
    """Whether a stale posterior can stay: the next one will be along soon."""
    return row.mean is None and row.updated_at is not None and timezone.now() - row.updated_at < STORED_EVERY


def _adapted(
    row: _Row, served: ServedVersion, model: RewardModel, news: Sequence[Standing] | None = None
) -> tuple[Latent, int]:
    """A new posterior, and how many judgments were of no use.

    It is stored under the signature read *before* the judgments: a later one makes it stale, never wrong.
    """
    said = context_of(annotator_id=row.id, model=model, served=served, signature=row.signature or "", added=news)
    with usable(served):
        latent = with_stated(model, said.comparisons, stated_by(row.id) if row.stated else {})
    return replace(latent, n=round(said.judgments)), said.unused


def _store(row: _Row, served: ServedVersion, latent: Latent, unused: int) -> datetime:
    """Write the posterior over whatever is there, in one statement.

    Nothing waits for the disk: a row that a crash loses is made anew. (Not so within a transaction of the caller's, whose
    other writes are no derived data.)
    """
    values: dict[str, Any] = {
        "annotator_id": row.id,
        "version_id": served.id,
        "signature": (row.signature or "") + row.stated,
        "mean": np.asarray(latent.mean, _FLOAT).tobytes(),
        "cov": np.asarray(latent.cov, _FLOAT).tobytes(),
        "extra": json.dumps({name: float(value) for name, value in latent.extra.items()}),
        "n_judgments": latent.n,
        "n_unused": unused,
        "updated_at": timezone.now(),
    }
    stored: datetime = _UPSERT.run_at_leisure(values)[0][0]
    return stored
