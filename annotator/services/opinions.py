"""What machine annotators had said of pairs, from the app above, through ``settings.ATTUNE_OPINIONS``: after a person judged, never before."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from annotator.models import Judgment

log = logging.getLogger(__name__)


class Opinion(NamedTuple):
    """What one machine says of a pair, in the pair's own terms: a, b or tie; ``swayed``: opposite answers in the two orders."""

    pair_id: int
    machine: str
    choice: str
    swayed: bool


@dataclass(frozen=True, slots=True)
class OpinionRequest:
    """Pairs that the annotator has judged. What of them is still to be judged again openly is answered with nothing."""

    project_id: int
    annotator_id: int
    pairs: Sequence[int]


Source = Callable[[OpinionRequest], Sequence[Opinion]]


@lru_cache(maxsize=4)
def _source(path: str) -> Source:
    return import_string(path)  # type: ignore[no-any-return]


def opinions_after(judgments: Sequence[Judgment]) -> dict[int, list[Opinion]]:
    """Of one annotator's judgments that stand, by judgment; nothing for those skipped or taken back. One statement at most.

    A fault is logged and keeps nobody from the next pair.
    """
    said = [each for each in judgments if each.pair_id and not each.withdrawn and each.choice != Judgment.Choice.SKIP]
    if not said or not settings.ATTUNE_OPINIONS:
        return {}
    pairs = sorted({each.pair_id for each in said if each.pair_id})
    request = OpinionRequest(said[0].project_id, said[0].annotator_id, pairs)
    try:
        found = list(_source(settings.ATTUNE_OPINIONS)(request))
    except Exception:
        log.exception("what machines said could not be read for annotator %s", request.annotator_id)
        return {}
    by_pair: dict[int, list[Opinion]] = defaultdict(list)
    for each in found:
        by_pair[each.pair_id].append(each)
    return {each.pk: by_pair[each.pair_id] for each in said if each.pair_id in by_pair}
