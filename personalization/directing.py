"""Steering which answer comes first: a direction among aspects, chosen by hand, in place of a person's taste. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from annotator.models import Project, Response
from attune.direction import ASPECTS, OVERALL, Yardstick, unit
from attune.errors import BadData
from attune.style_features import poles_of
from personalization.policy_ranking import Ranked
from training.policy_trials import MOST_WEIGHT

Array = NDArray[np.float32]

REFERENCE = 400
"""So many of a project's responses its styles are measured by."""
REWARD_ALONE = (MOST_WEIGHT, *[0] * (len(ASPECTS) - 1))


@dataclass(frozen=True, slots=True)
class Slider:
    """One aspect: its place among them, where it was put (−100 to 100), and its share in the direction, −1 to 1."""

    number: int
    name: str
    value: int
    share: float

    @property
    def poles(self) -> tuple[str, str]:
        return poles_of(self.name)

    @property
    def overall(self) -> bool:
        return self.name == OVERALL


@dataclass(frozen=True, slots=True)
class Directed:
    """A response's letter with its reward ⟨v, g(x)⟩ and its aspects g(x), as a script reads them."""

    letter: str
    reward: float
    aspects: str


@dataclass(frozen=True, slots=True)
class Direction:
    """The sliders, and the responses in the order that they give, best first.

    ``speaks``: some policy of the trial can be asked to speak in the direction. ``spoken``: it was asked in this very one.
    """

    sliders: list[Slider]
    order: list[Directed]
    speaks: bool
    spoken: bool


def directed(
    *, project: Project, ranked: Ranked, given: Mapping[str, str], spoken: Sequence[int] = ()
) -> Direction | None:
    """The answers ordered by the direction that ``given`` says: ``d0`` … ``d6``, −100 to 100 each; where it says none by the one in
    which they were ``spoken``, or else by the reward alone.

    None with fewer than two answers, or where the project has too few responses to measure style by.
    """
    texts = {letter: reply.text for letter, reply in ranked.lettered if reply.over and reply.text}
    yardstick = _yardstick(project.pk, Response.objects.filter(prompt__project=project).count() // REFERENCE)
    if len(texts) < 2 or yardstick is None:
        return None
    values = weights_of(given)
    if not any(values):
        values = list(spoken or REWARD_ALONE)
    direction = unit(values)
    aspects = np.concatenate([_rewards(ranked, list(texts))[:, None], yardstick.traits(list(texts.values()))], axis=1)
    rewards = aspects @ direction
    rows = zip(texts, rewards.tolist(), aspects, strict=True)
    order = [Directed(letter, reward, " ".join(f"{each:.4f}" for each in row)) for letter, reward, row in rows]
    sliders = [
        Slider(number, name, value, float(share))
        for number, (name, value, share) in enumerate(zip(ASPECTS, values, direction, strict=True))
    ]
    return Direction(
        sliders,
        sorted(order, key=lambda each: (-each.reward, each.letter)),
        speaks=any(reply.reads_directions for _, reply in ranked.lettered),
        spoken=values == list(spoken),
    )


def weights_of(given: Mapping[str, str]) -> list[int]:
    """The sliders ``d0`` … ``d6`` of a form; 0 where there is none, or no number."""
    return [_value(given.get(f"d{number}", "")) for number in range(len(ASPECTS))]


def _rewards(ranked: Ranked, letters: Sequence[str]) -> Array:
    """Everybody's reward as a percentile, in spreads of a uniform distribution; 0 where no model ranks the answers."""
    everybody = next((order for order in ranked.orders if order.person is None), None)
    scores = {place.letter: place.score for place in everybody.places} if everybody else {}
    return np.array([(scores.get(letter, 50) - 50) / (100 / np.sqrt(12)) for letter in letters], np.float32)


def _value(text: str) -> int:
    try:
        return max(-MOST_WEIGHT, min(MOST_WEIGHT, round(float(text))))
    except (ValueError, OverflowError):
        return 0


@lru_cache(maxsize=64)
def _yardstick(project_id: int, _hundreds: int) -> Yardstick | None:
    """Kept until the project has ``REFERENCE`` responses more."""
    rows = Response.objects.filter(prompt__project=project_id).order_by("digest", "pk")
    texts = list(rows.values_list("text", flat=True)[:REFERENCE])
    try:
        return Yardstick.of(texts)
    except BadData:
        return None
