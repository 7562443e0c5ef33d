"""Direction-conditioned policies (Wang et al. 2024, *DPA*): the direction v on the unit sphere of aspects stands in the prompt. No torch.

A judged pair is learnt once as it was judged, and several times under drawn directions, with the response first whose ⟨v, g(x)⟩ is higher:
g are the traits of style in spreads among the snapshot's responses, and ``overall`` what people said, the preferred one a spread above
the other. So one policy learns every direction, and without one in its prompt it follows people alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from attune.direction import ASPECTS, OVERALL, Yardstick, unit
from attune.errors import BadData
from attune.policies.examples import Example, Examples
from attune.policies.prompts import Message
from attune.policies.tiny import TINY
from attune.style_features import poles_of

Array = NDArray[np.float32]

LEAD = "Lean: "
POLES = {OVERALL: ("unwanted", "wanted")}
LEAST_SHARE = 0.1
"""Aspects with less of the direction are not named."""
FEW_ASPECTS = 0.7
"""Share of drawn directions among one or two aspects; the others are among all."""
LEAST_MARGIN = 0.1
"""In spreads: pairs that a direction hardly tells apart are not learnt under it."""


def direction_line(direction: Sequence[float]) -> str:
    """A direction (A,) in words, strongest aspect first, tenths of the unit sphere: ``Lean: concise 8, casual 6.``

    Empty for what is overall wanted and nothing else. Raises ``BadData`` for another number of aspects.
    """
    if len(direction) != len(ASPECTS):
        raise BadData(f"the direction has {len(direction)} numbers; expected {len(ASPECTS)}: {', '.join(ASPECTS)}")
    shares = dict(zip(ASPECTS, unit(direction).tolist(), strict=True))
    named = sorted((name for name in ASPECTS if abs(shares[name]) >= LEAST_SHARE), key=lambda name: -abs(shares[name]))
    if named == [OVERALL] and shares[OVERALL] > 0:
        return ""
    said = (f"{_poles(name)[shares[name] > 0]} {round(10 * abs(shares[name]))}" for name in named)
    return f"{LEAD}{', '.join(said)}."


def reads_directions(base: str, directions: int) -> bool:
    """Whether a policy of that base model follows a direction in its prompt: it learnt to (the setting ``directions``), or its base did
    before it."""
    return directions > 0 or base == TINY


def directed_prompt(conversation: Sequence[Message], direction: Sequence[float]) -> list[Message]:
    """The conversation with the direction at the end of its last message: every chat template takes it there, and it stands next to
    where the answer begins."""
    line = direction_line(direction)
    if not line:
        return [*map(dict, conversation)]
    last = conversation[-1]
    return [*map(dict, conversation[:-1]), {"role": last["role"], "content": f"{last['content']}\n\n{line}"}]


def direction_of(text: str) -> tuple[float, ...]:
    """``concise=1,casual=0.5`` as weights (A,), by the names of poles. Raises ``BadData`` naming what is not known."""
    signs = {pole: (name, sign) for name in ASPECTS for pole, sign in zip(_poles(name), (-1.0, 1.0), strict=True)}
    weights = dict.fromkeys(ASPECTS, 0.0)
    for part in text.split(","):
        pole, _, value = part.strip().partition("=")
        if pole not in signs:
            raise BadData(f"{pole!r} is no aspect; expected one of {', '.join(signs)}")
        try:
            weight = float(value or "1")
        except ValueError:
            raise BadData(f"{pole} is {value!r}; expected a number") from None
        name, sign = signs[pole]
        weights[name] += sign * weight
    return tuple(unit(list(weights.values())).tolist())


def draw_direction(rng: Random, among: Sequence[str] = ASPECTS) -> tuple[float, ...]:
    """A direction (A,) of length 1 along the aspects ``among``: mostly along one or two of them, as sliders are used."""
    few = rng.sample(among, min(len(among), rng.choice((1, 2))))
    if rng.random() < FEW_ASPECTS:
        drawn = {name: rng.choice((-1, 1)) * rng.uniform(0.3, 1) for name in few}
    else:
        drawn = {name: rng.gauss(0, 1) for name in among}
    weights = [drawn.get(name, 0.0) for name in ASPECTS]
    return tuple(unit(weights).tolist())


def yardstick_of(examples: Examples) -> Yardstick:
    """What style is measured by: all texts that are learnt from. Raises ``BadData`` for fewer than two."""
    return Yardstick.of(sorted({text for each in examples.train for text in (each.chosen, each.rejected)}))


def with_directions(examples: Examples, count: int, seed: int, among: Sequence[str] = ASPECTS) -> Examples:
    """Each example as it is, and ``count`` times under directions drawn along the aspects ``among``. Raises ``BadData`` where there is no style to measure by."""
    yardstick = yardstick_of(examples)
    rng = Random(seed)  # noqa: S311 (no secret)

    def all_of(some: Iterable[Example]) -> list[Example]:
        found = []
        for each in some:
            style = yardstick.traits([each.chosen, each.rejected])
            apart = np.concatenate([[1.0 if each.target > 0.5 else 0.0], style[0] - style[1]])
            drawn = (_under(each, draw_direction(rng, among), apart) for _ in range(count))
            found += [each, *(directed for directed in drawn if directed)]
        return found

    return Examples(all_of(examples.train), all_of(examples.held_out), examples.notes)


def _under(example: Example, direction: tuple[float, ...], apart: Array) -> Example | None:
    """The pair as the direction orders it; None where it hardly does."""
    margin = float(np.dot(direction, apart))
    if abs(margin) < LEAST_MARGIN:
        return None
    changes = {
        "direction": direction,
        "target": 1.0,
        "degree": 0,
        "rationale": "",
        "chosen_spans": (),
        "rejected_spans": (),
    }
    if margin < 0:
        changes |= {"chosen": example.rejected, "rejected": example.chosen}
    return replace(example, **changes)  # type: ignore[arg-type]


def _poles(name: str) -> tuple[str, str]:
    return POLES.get(name) or poles_of(name)
