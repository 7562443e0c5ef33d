"""What annotators flagged, and the owner's having seen to it."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotator.models import Flag, Lineup, Pair, Project, User
from annotator.selectors.pairs import open_flags
from annotator.services.audit import record


def see_to_flags(*, pair: Pair, by: User) -> int:
    """Mark the open flags of a pair as seen to. Returns how many; what becomes of the pair is decided apart from it."""
    return _see_to(open_flags(pair.project).filter(judgment__pair=pair), pair.project, by, pair=pair.pk)


def see_to_lineup(*, lineup: Lineup, by: User) -> int:
    """The same for a lineup."""
    return _see_to(open_flags(lineup.project).filter(judgment__lineup=lineup), lineup.project, by, lineup=lineup.pk)


def _see_to(flags: QuerySet[Flag], project: Project, by: User, **about: int) -> int:
    with transaction.atomic():
        mine = list(flags.values_list("pk", flat=True))
        seen = Flag.objects.filter(pk__in=mine).update(seen_at=timezone.now(), seen_by=by)
        if seen:
            record(project=project, by=by, what="flags seen to", flags=seen, **about)
    return seen
