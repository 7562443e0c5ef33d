"""Simulated annotators, what they judge, and what a policy's texts are measured by; for `bench.policies`.

An annotator has a taste over the six axes of ``attune.simulate`` and judges pairs of the tiny corpus's answers with the noise
of that simulation; what a policy then says is measured by markers in its text, never by the styles that the judgments
came from. Prompts are parted: nobody judges a held-out topic.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, sqrt
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from attune import style_features as style
from attune.data import Judgment, Response, Snapshot
from attune.policies.tiny.corpus import Topic, answer, draw_style
from attune.policies.tiny.readers import shuffled_topics
from attune.simulate import AXES, REASONS, REWARD_SCALE, strength_of

TEMPERATURE = 0.8  # of the annotators' choices, as in attune.simulate
PEOPLE: Mapping[str, Mapping[str, float]] = {
    "short and casual": {"detailed": -0.9, "casual": 0.9},
    "long and formal": {"detailed": 0.9, "casual": -0.9},
    "direct and dry": {"direct": 0.9, "warm": -0.9},
    "careful and warm": {"direct": -0.9, "warm": 0.9},
    "lists with examples": {"bulleted": 0.9, "examples": 0.9},
    "prose without examples": {"bulleted": -0.9, "examples": -0.9},
}
"""Whom figures are reported of, on seeds 1, 2 and 3."""
OTHERS: Mapping[str, Mapping[str, float]] = {
    "careful with examples": {"direct": -0.9, "examples": 0.9},
    "warm in prose": {"warm": 0.9, "bulleted": -0.9},
    "long and direct": {"detailed": 0.9, "direct": 0.9},
    "short and dry": {"detailed": -0.9, "warm": -0.9},
}
"""With whom settings are chosen, on seeds from 11."""
EVERYBODY = {**PEOPLE, **OTHERS}


def _rate(pattern: Any) -> Callable[[str], float]:
    return lambda text: 100 * len(pattern.findall(text)) / max(len(text.split()), 1)


MARKERS: Mapping[str, Callable[[str], float]] = {
    "detailed": lambda text: float(len(text.split())),
    "casual": lambda text: _rate(style.CASUAL)(text) + _rate(style.CONTRACTION)(text),
    "direct": lambda text: -_rate(style.HEDGE)(text),
    "examples": _rate(style.EXAMPLE),
    "warm": lambda text: _rate(style.WARM)(text) + 100 * text.count("!") / max(len(text.split()), 1),
    "bulleted": lambda text: float("\n- " in text),
}
"""What is counted in a text for each axis: words, markers per 100 words, whether it has a list. Hedges count against direct."""


@dataclass(frozen=True)
class Figure:
    """A mean and one standard error of it."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        return cls(fmean(values), pstdev(values) / sqrt(len(values)))

    def percent(self) -> str:
        return f"{100 * self.mean:.1f} ± {100 * self.error:.1f} %"


def learnt_topics() -> Sequence[Topic]:
    """Topics that are judged."""
    return shuffled_topics()[0]


def asked_topics() -> Sequence[Topic]:
    """Topics that nobody judges, for held-out pairs and questions."""
    return shuffled_topics()[1]


@cache
def spread() -> Mapping[str, tuple[float, float]]:
    """Each marker's mean and standard deviation over the corpus."""
    rng = random.Random(99)
    topics = [topic for part in shuffled_topics() for topic in part]
    texts = [answer(rng.choice(topics), draw_style(rng), rng) for _ in range(1500)]
    values = {axis: [marker(text) for text in texts] for axis, marker in MARKERS.items()}
    return {axis: (fmean(each), pstdev(each)) for axis, each in values.items()}


def true_reward(taste: Mapping[str, float], text: str) -> float:
    """The taste over a text's own markers, standardised on the corpus."""
    return sum(weight * (MARKERS[axis](text) - spread()[axis][0]) / spread()[axis][1] for axis, weight in taste.items())


def judged(
    counts: Mapping[str, int], topics: Sequence[Topic], seed: int, *, flips: float = 0.0, wavers: bool = True
) -> Snapshot:
    """So many judgments of each of the people named in ``counts``, on pairs of answers in two drawn styles, with how much better one is to
    them, and a reason where the choice has one.

    Who wavers chooses by chance, the surer the further apart two answers are; who does not leaves out what is equal to them. A share
    ``flips`` of the choices is turned round. Strengths and reasons change nothing else.
    """
    rng, words, felt = random.Random(seed), random.Random(seed), np.random.default_rng(seed)
    responses: dict[str, Response] = {}
    said = []
    for name, count in counts.items():
        taste = EVERYBODY[name]
        for number in range(count):
            topic = rng.choice(topics)
            prompt = rng.choice(topic.asked[:8])[0]["content"]
            styles = draw_style(rng), draw_style(rng)
            keys = f"{name}-{number}-a", f"{name}-{number}-b"
            for key, each in zip(keys, styles, strict=True):
                responses[key] = Response(key, prompt, answer(topic, each, rng))
            support = {
                axis: weight * (styles[0][AXES.index(axis)] - styles[1][AXES.index(axis)])
                for axis, weight in taste.items()
            }
            margin = REWARD_SCALE * sum(support.values()) / TEMPERATURE
            if margin == 0 and not wavers:
                continue
            prefers_a = rng.random() < 1 / (1 + exp(-margin)) if wavers else margin > 0
            if rng.random() < flips:
                prefers_a = not prefers_a
            reason = _reason(taste, support if prefers_a else {axis: -each for axis, each in support.items()}, words)
            strength = strength_of(margin if prefers_a else -margin, felt)
            said.append(
                Judgment(name, keys[0], keys[1], "a" if prefers_a else "b", strength=strength, rationale=reason)
            )
    return Snapshot(responses, tuple(said), "0" * 64)


def _reason(taste: Mapping[str, float], support: Mapping[str, float], rng: random.Random) -> str:
    """Why the chosen one: a sentence about the axis that speaks for it most; nothing where none does, as after a slip."""
    why = max(support, key=lambda axis: support[axis])
    sentence = rng.choice(REASONS[why, 1 if taste[why] > 0 else -1])
    return sentence if support[why] > 0 else ""


def wins(taste: Mapping[str, float], one: Sequence[str], other: Sequence[str]) -> list[float]:
    """Whether each text of ``one`` is truly preferred to the text of ``other`` for the same prompt; ½ for a tie."""
    pairs = ((true_reward(taste, a), true_reward(taste, b)) for a, b in zip(one, other, strict=True))
    return [(first > second) + 0.5 * (first == second) for first, second in pairs]


def moved(taste: Mapping[str, float], before: Sequence[str], after: Sequence[str]) -> dict[str, Figure]:
    """By how much each liked marker moved, relative to before; positive is towards the taste."""
    found = {}
    for axis, weight in taste.items():
        old, new = (Figure.of([MARKERS[axis](text) for text in texts]) for texts in (before, after))
        sign = 1 if weight > 0 else -1
        found[axis] = Figure(
            sign * (new.mean - old.mean) / abs(old.mean), sqrt(old.error**2 + new.error**2) / abs(old.mean)
        )
    return found
