"""How far an annotator is, and how often their model has been right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from annotator.models import Annotator
from annotator.statements import Statement

LATELY = 20

PROGRESS = f"""
SELECT count(*) FILTER (WHERE judged_at >= %(today)s) AS today, count(*) AS total,
    (SELECT ARRAY[count(*) FILTER (WHERE (guess >= 0.5) = (choice = 'a')), count(*)] FROM (
        SELECT guess, choice FROM annotator_judgment WHERE annotator_id = %(annotator)s AND current AND NOT withdrawn
        AND guess IS NOT NULL AND choice IN ('a', 'b') ORDER BY id DESC LIMIT {LATELY}) AS lately) AS guesses
FROM annotator_judgment WHERE annotator_id = %(annotator)s AND current AND NOT withdrawn AND choice <> 'skip'
"""
"""One row (today, total, [right, guessed]) by index over the annotator's judgments; also part of dealing."""
_PROGRESS = Statement(PROGRESS)


@dataclass(frozen=True, slots=True)
class GuessRecord:
    """Of the last ``of`` preferences that the model had guessed before, it was right on ``right``."""

    right: int
    of: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Judgments that stand (not skipped, not withdrawn): of today, in all; ``goal`` is the project's for a day."""

    today: int
    total: int
    goal: int
    guesses: GuessRecord


def progress_of(annotator: Annotator) -> Progress:
    """As of now, by one statement."""
    (row,) = _PROGRESS.run({"today": start_of_today(), "annotator": annotator.pk})
    return progress_from(*row, goal=annotator.project.daily_goal)


def progress_from(today: int, total: int, guesses: list[int], *, goal: int) -> Progress:
    """A row of ``PROGRESS``."""
    return Progress(today, total, goal, GuessRecord(*guesses))


def start_of_today() -> datetime:
    """Midnight where the server's clock is."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
