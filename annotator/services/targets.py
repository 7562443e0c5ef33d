"""What is judged, whichever it is: a pair or a lineup."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from annotator.models import Lineup, Pair

Target = Pair | Lineup


def rows_like(of: Target) -> QuerySet[Any]:
    """All rows of its table."""
    return Pair.objects.all() if isinstance(of, Pair) else Lineup.objects.all()


def kind_of(of: Target) -> str:
    """As ``Judgment.Kind`` has it."""
    return "pair" if isinstance(of, Pair) else of.kind


def column_of(of: Target) -> dict[str, Target]:
    """The row by the name of the column that holds it, in assignments, judgments and adjudications."""
    return {"pair": of} if isinstance(of, Pair) else {"lineup": of}


def named(of: Target) -> dict[str, object]:
    """How the log of acts names it."""
    return {name: row.pk for name, row in column_of(of).items()}
