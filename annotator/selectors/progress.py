"""How far an annotator is, and how often their model has been right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from annotator.models import Annotator

LATELY = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """Judgments that stand (not skipped, not withdrawn): of today, in all; ``goal`` is the project's for a day."""

    today: int
    total: int
    goal: int


@dataclass(frozen=True, slots=True)
class GuessRecord:
    """Of the last ``of`` preferences that the model had guessed before, it was right on ``right``."""

    right: int
    of: int


def progress_of(annotator: Annotator) -> Progress:
    """One statement, by index over the annotator's own judgments."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE judged_at >= %s), count(*) FROM annotator_judgment"
            " WHERE annotator_id = %s AND current AND NOT withdrawn AND choice <> 'skip'",
            [start_of_today(), annotator.pk],
        )
        today, total = cursor.fetchone()
    return Progress(today, total, annotator.project.daily_goal)


def guess_record(annotator: Annotator) -> GuessRecord:
    """How the model did on the annotator's last ``LATELY`` guessed preferences."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(sum(CASE WHEN (guess >= 0.5) = (choice = 'a') THEN 1 ELSE 0 END), 0), count(*) FROM ("
            " SELECT guess, choice FROM annotator_judgment WHERE annotator_id = %s AND current AND NOT withdrawn"
            " AND guess IS NOT NULL AND choice IN ('a', 'b') ORDER BY id DESC LIMIT %s) lately",
            [annotator.pk, LATELY],
        )
        return GuessRecord(*cursor.fetchone())


def start_of_today() -> datetime:
    """Midnight where the server's clock is."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
