"""How often anyone who reads only the answers could be right about a simulated annotator's held-out pairs; for `bench.policies`.

The annotators judge by the styles that answers were drawn in, and a text does not show all of its style: an answer without a list
may have been drawn to have none or left to chance. Two bounds are counted on texts of the corpus. The *ceiling* knows the taste
and chooses by the posterior of both styles. The *learner* knows what there is to see and not the taste: a logistic regression on the
same 200 wavering judgments, once with what is seen a sentence (as tastes are) and once summed over sentences (as log-ratios are).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attune.policies.tiny.corpus import OPENINGS, Style, Topic, answer, draw_style
from attune.simulate import AXES, REWARD_SCALE
from bench.policy_world import EVERYBODY, PEOPLE, TEMPERATURE, asked_topics

DRAWN = 20_000
PAIRS = 6_000
LEARNT, REPEATS = 200, 20


@dataclass(frozen=True, slots=True)
class Seen:
    """What an answer shows. Every way to give a tip is of one tone and one directness."""

    casual: int
    direct: int
    tips: int
    examples: int
    opening: str
    listed: bool

    def of(self, axis: str) -> tuple[object, ...]:
        """What tells of an axis."""
        return {
            "detailed": (self.tips,),
            "casual": (self.casual,),
            "direct": (self.direct,),
            "examples": (self.tips, self.examples),
            "warm": (self.opening,),
            "bulleted": (self.tips > 1, self.listed),
        }[axis]

    def numbers(self, *, summed: bool) -> list[float]:
        """The same for a linear learner."""
        times = self.tips if summed else 1
        tones = [float(times * (value == level)) for value in (self.casual, self.direct) for level in (-1, 0, 1)]
        openings = [float(self.opening == each) for each in ("", "polite", "warm")]
        return [*tones, *openings, self.tips, self.examples / (1 if summed else self.tips), times * float(self.listed)]


def seen_in(topic: Topic, style: Style, text: str) -> Seen:
    casual, direct = style[AXES.index("casual")], style[AXES.index("direct")]
    lowered = text.lower()
    opening = ""
    for warm, name in ((0, "polite"), (1, "warm")):
        if any(each and text.startswith(each) for each in OPENINGS[casual, warm]):
            opening = name
    tips = sum(tip.what.lower() in lowered for tip in topic.tips)
    examples = sum(tip.example in text for tip in topic.tips)
    return Seen(casual, direct, tips, examples, opening, "\n- " in text)


def drawn(count: int, topics: Sequence[Topic], rng: Random) -> list[tuple[Style, Seen]]:
    """Answers as annotators are shown them."""
    found = []
    for _ in range(count):
        topic, style = rng.choice(topics), draw_style(rng)
        found.append((style, seen_in(topic, style, answer(topic, style, rng))))
    return found


def posteriors(answers: Sequence[tuple[Style, Seen]]) -> Mapping[tuple[str, tuple[object, ...]], Counter[int]]:
    """How often each value of an axis was drawn where this was seen of it."""
    found: dict[tuple[str, tuple[object, ...]], Counter[int]] = defaultdict(Counter)
    for style, seen in answers:
        for axis, value in zip(AXES, style, strict=True):
            found[axis, seen.of(axis)][value] += 1
    return found


def support(taste: Mapping[str, float], one: Style, other: Style) -> float:
    return sum(weight * (one[AXES.index(axis)] - other[AXES.index(axis)]) for axis, weight in taste.items())


def ceiling(name: str, seed: int = 0) -> float:
    """The share of noise-free pairs that the best guess from both texts gets right; a coin where it knows no better."""
    rng, taste = Random(seed), EVERYBODY[name]
    answers = drawn(DRAWN, asked_topics(), rng)
    known = posteriors(answers)
    right = []
    for _ in range(PAIRS):
        (one, first), (other, second) = rng.sample(answers, 2)
        truth = support(taste, one, other)
        if truth:
            lean = _lean(taste, known, first, second)
            right.append(0.5 if abs(lean) < 1e-9 else float((lean > 0) == (truth > 0)))
    return float(np.mean(right))


def _lean(
    taste: Mapping[str, float],
    known: Mapping[tuple[str, tuple[object, ...]], Counter[int]],
    first: Seen,
    second: Seen,
) -> float:
    """P(first is truly better) − P(second is)."""
    chances: dict[float, float] = {0.0: 1.0}
    for axis, weight in taste.items():
        a, b = known[axis, first.of(axis)], known[axis, second.of(axis)]
        grown: dict[float, float] = defaultdict(float)
        for so_far, chance in chances.items():
            for one, times in a.items():
                for other, others in b.items():
                    margin = round(so_far + weight * (one - other), 6)
                    grown[margin] += chance * times * others / (a.total() * b.total())
        chances = grown
    return sum(chance * ((margin > 0) - (margin < 0)) for margin, chance in chances.items())


def learner(name: str, *, summed: bool, seed: int = 0) -> float:
    """The mean over ``REPEATS`` sets of judgments of what a logistic regression on them gets right."""
    rng, taste = Random(seed), EVERYBODY[name]
    found = []
    for _ in range(REPEATS):
        learnt, held_out = (drawn(2 * LEARNT, asked_topics(), rng) for _ in range(2))
        weights = _logistic(*_rows(taste, learnt, rng, wavers=True, summed=summed))
        rows, preferred = _rows(taste, held_out, rng, wavers=False, summed=summed)
        found.append(float(((rows @ weights > 0) == preferred).mean()))
    return float(np.mean(found))


def _logistic(rows: NDArray[np.float64], preferred: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of a logistic regression without intercept, ridge 1."""
    signed = np.where(preferred, 1, -1)[:, None] * rows
    loss = minimize(lambda w: np.logaddexp(0, -signed @ w).sum() + w @ w / 2, np.zeros(rows.shape[1]))
    return np.asarray(loss.x)


def _rows(
    taste: Mapping[str, float], answers: Sequence[tuple[Style, Seen]], rng: Random, *, wavers: bool, summed: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Differences of what is seen, and whether the first of each two is preferred."""
    rows, preferred = [], []
    for (one, first), (other, second) in zip(answers[::2], answers[1::2], strict=True):
        margin = REWARD_SCALE * support(taste, one, other) / TEMPERATURE
        if margin or wavers:
            rows.append(np.subtract(first.numbers(summed=summed), second.numbers(summed=summed)))
            preferred.append(rng.random() < 1 / (1 + exp(-margin)) if wavers else margin > 0)
    return np.array(rows), np.array(preferred)


def table(names: Sequence[str] = tuple(PEOPLE)) -> list[tuple[str, ...]]:
    """A row for each: name, ceiling, learner a sentence and summed."""
    return [
        (name, *(f"{each:.3f}" for each in (ceiling(name), learner(name, summed=False), learner(name, summed=True))))
        for name in names
    ]
