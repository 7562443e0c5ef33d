"""The one backward arrow: the app above says which pair is worth asking next, through ``settings.ATTUNE_CHOOSER``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

log = logging.getLogger(__name__)


class Candidate(NamedTuple):
    """A pair that this annotator could be given now."""

    pair_id: int
    response_a_id: int
    response_b_id: int
    taken: int


@dataclass(frozen=True, slots=True)
class ChoiceRequest:
    """Whom to ask, by which policy (``Project.Choosing``), among which pairs."""

    project_id: int
    annotator_id: int
    policy: str
    candidates: Sequence[Candidate]


class Chosen(NamedTuple):
    """A pair, best first in a list of them; ``guess`` is the model's P(a ≻ b) for this annotator, if it has one."""

    pair_id: int
    chosen_by: str
    guess: float | None = None
    guess_version: str = ""


Chooser = Callable[[ChoiceRequest], Sequence[Chosen]]


@lru_cache(maxsize=4)
def _chooser(path: str) -> Chooser:
    return import_string(path)  # type: ignore[no-any-return]


def rank_candidates(request: ChoiceRequest) -> list[Chosen]:
    """Candidates in the order to try them. Where there is no model, or choosing fails, the order they came in.

    A fault in choosing is logged and never keeps an annotator from the next pair.
    """
    if settings.ATTUNE_CHOOSER:
        try:
            if chosen := list(_chooser(settings.ATTUNE_CHOOSER)(request)):
                return chosen
        except Exception:
            log.exception("choosing the next pair failed for annotator %s", request.annotator_id)
    return [Chosen(candidate.pair_id, "coverage") for candidate in request.candidates]
