"""Judgments as they were at a past moment.

They are append-only and say when they were written, so that of each judgment the revision of a moment is the last one
written by then. What a transaction has written and not yet committed bears an earlier time than its commit; a moment is
therefore only taken once no transaction is open that could still add to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import Annotator, Judgment, QualityStep

SETTLES_AFTER = timedelta(seconds=2)
"""Between taking the time of a row and its insert in Postgres there is less than this."""

_WRITING_SINCE = """
SELECT min(xact_start) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL
   AND backend_type = 'client backend'
"""


def check_settled(at: datetime) -> None:
    """Raise unless nothing can be added to the judgments of the moment any more.

    ``Invalid`` for a moment that has not come; ``Conflict`` while something that began before it is still being written.
    """
    now = timezone.now()
    if at > now:
        raise Invalid(
            _("%(moment)s has not come yet.") % {"moment": at.isoformat()},
            fields={"as_of": _("Expected a moment in the past.")},
        )
    with connection.cursor() as cursor:
        cursor.execute(_WRITING_SINCE)
        writing: datetime | None = cursor.fetchone()[0]
    if at > now - SETTLES_AFTER or (writing and writing <= at):
        raise Conflict(_("What was judged at that moment is still being written; try again in a few seconds."))


def stood_at(rows: QuerySet[Judgment], at: datetime) -> QuerySet[Judgment]:
    """Of the judgments, the revision that stood at the moment."""
    later = Judgment.objects.filter(
        annotator=OuterRef("annotator"), revision__gt=OuterRef("revision"), created_at__lte=at
    )
    later = later.filter(occasion=OuterRef("occasion"))
    of_pair, of_lineup = later.filter(pair=OuterRef("pair")), later.filter(lineup=OuterRef("lineup"))
    return rows.filter(~Exists(of_pair), ~Exists(of_lineup), created_at__lte=at)


def dropped_at(at: datetime) -> QuerySet[Annotator]:
    """Annotators who were left out of training for want of quality at the moment."""
    told = QualityStep.objects.filter(
        Q(what=QualityStep.What.DROPPED) | Q(what=QualityStep.What.RESTORED), annotator=OuterRef("pk"), at__lte=at
    )
    last = Subquery(told.order_by("-pk").values("what")[:1])
    return Annotator.objects.annotate(last_step=last).filter(last_step=QualityStep.What.DROPPED)
