"""Which split a judgment belongs to: whole annotators, whole prompts, or everything after a moment, never a bit of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from django.db import connection

from annotator.exports.dataset_options import DatasetOptions
from annotator.models import Project

Split = str
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

_MOMENTS = """
SELECT percentile_disc(ARRAY[%s, %s]::float8[]) WITHIN GROUP (ORDER BY judged_at)
FROM annotator_judgment WHERE project_id = %s AND current AND NOT withdrawn AND choice <> 'skip'
"""


def splitter(project: Project, options: DatasetOptions) -> Callable[[str, str, datetime | None], Split]:
    """A function of annotator's reference, prompt's digest and moment.

    Annotators and prompts are drawn by a hash of their own, so that a new one changes nothing for the others; prompts that
    read the same go together. By time, validation and test are the latest judgments.
    """
    share = options.held_out
    if options.split == "annotator":
        return lambda ref, _digest, _at: _drawn(f"{project.pk}:annotator:{ref}", share)
    if options.split == "prompt":
        return lambda _ref, digest, _at: _drawn(f"{project.pk}:prompt:{digest}", share)
    if options.split == "time":
        moments = _moments(project, share)
        return lambda _ref, _digest, at: _by_time(at, moments)
    return lambda _ref, _digest, _at: TRAIN


def splits_of(options: DatasetOptions) -> tuple[Split, ...]:
    """The splits that a dataset may have."""
    return SPLITS if options.split != "none" else (TRAIN,)


def _drawn(key: str, share: float) -> Split:
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return TEST if place < share else VALIDATION if place < 2 * share else TRAIN


def _moments(project: Project, share: float) -> list[datetime] | None:
    with connection.cursor() as cursor:
        cursor.execute(_MOMENTS, [1 - 2 * share, 1 - share, project.pk])
        found: list[datetime] | None = cursor.fetchone()[0]
    return found


def _by_time(at: datetime | None, moments: list[datetime] | None) -> Split:
    if at is None or moments is None or at <= moments[0]:
        return TRAIN
    return VALIDATION if at <= moments[1] else TEST
