"""The one backward arrow: the app above says what is worth asking next, through ``settings.ATTUNE_CHOOSER`` (pairs) and
``settings.ATTUNE_LINEUP_CHOOSER``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from annotator.models import Project

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


class LineupCandidate(NamedTuple):
    """A lineup that this annotator could be given now; ``beside`` are the other responses to its prompt."""

    lineup_id: int
    responses: Sequence[int]
    beside: Sequence[int]
    taken: int


@dataclass(frozen=True, slots=True)
class LineupRequest:
    """As ``ChoiceRequest``, among lineups of one kind; ``scale`` is that of ratings."""

    project_id: int
    annotator_id: int
    policy: str
    kind: str
    scale: str
    candidates: Sequence[LineupCandidate]


class ChosenLineup(NamedTuple):
    """A lineup, best first in a list of them, with what the model guesses: ``Assignment.guesses``."""

    lineup_id: int
    chosen_by: str
    guesses: Sequence[float] | None = None
    guess_version: str = ""


LineupChooser = Callable[[LineupRequest], Sequence[ChosenLineup]]


@lru_cache(maxsize=4)
def _chooser(path: str) -> Chooser:
    return import_string(path)  # type: ignore[no-any-return]


@lru_cache(maxsize=4)
def _lineup_chooser(path: str) -> LineupChooser:
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


def rank_lineups(request: LineupRequest) -> list[ChosenLineup]:
    """As ``rank_candidates``, of lineups."""
    if settings.ATTUNE_LINEUP_CHOOSER:
        try:
            if chosen := list(_lineup_chooser(settings.ATTUNE_LINEUP_CHOOSER)(request)):
                return chosen
        except Exception:
            log.exception("choosing the next lineup failed for annotator %s", request.annotator_id)
    why = Project.Choosing.COVERAGE if request.policy == Project.Choosing.INFORMATION else request.policy
    return [ChosenLineup(candidate.lineup_id, str(why)) for candidate in request.candidates]
