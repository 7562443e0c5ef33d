"""What annotators flagged, and the owner's having seen to it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from annotator.models import Flag, Pair, User
from annotator.selectors.pairs import open_flags
from annotator.services.audit import record


def see_to_flags(*, pair: Pair, by: User) -> int:
    """Mark the open flags of a pair as seen to. Returns how many; what becomes of the pair is decided apart from it."""
    with transaction.atomic():
        mine = open_flags(pair.project).filter(judgment__pair=pair).values_list("pk", flat=True)
        seen = Flag.objects.filter(pk__in=list(mine)).update(seen_at=timezone.now(), seen_by=by)
        if seen:
            record(project=pair.project, by=by, what="flags seen to", pair=pair.pk, flags=seen)
    return seen
