"""Small simulated worlds in which one property of preferences stands alone: circles, and a minority.

**Circles.** The responses to a prompt lie evenly on a circle at angles α, and everybody prefers the one that is ahead:
P(a ≻ b) = σ(strength · sin(α_a − α_b)). Every response beats as many as beat it, so no reward can order them.

**Minority.** Responses have a quality c on which all agree, and a side s = ±1; the reward is c + taste · s, with taste = +t for
the majority and −t for the minority. Features tell side and quality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import exp, pi, sin

import numpy as np
from numpy.typing import NDArray

from attune.data import Judgment, Response, Snapshot

Array = NDArray[np.float32]
Margin = Callable[[str, str, str], float]
"""Of a person, for response a over response b, in logits."""


@dataclass(frozen=True, slots=True)
class World:
    """Judgments to fit on, and of other people to predict. ``group`` names each person's group; features by response."""

    train: Snapshot
    evaluation: Snapshot
    group: Mapping[str, str]
    features: Mapping[str, Array]


def circles(
    *,
    prompts: int = 30,
    responses: int = 5,
    people: int = 60,
    judgments: int = 40,
    strength: float = 8.0,
    seed: int = 0,
) -> World:
    """Everybody prefers in circles. Half as many people again are there to be predicted."""
    rng = np.random.default_rng(seed)
    texts = _responses(prompts, responses)
    angle = {key: 2 * pi * number / responses for number, key in _numbered(texts, responses)}
    features = {key: rng.standard_normal(4).astype(np.float32) for key in texts}
    group = {f"person-{number}": "everybody" for number in range(people + people // 2)}
    pairs = _pairs(texts)

    def margin(_name: str, a: str, b: str) -> float:
        return strength * sin(angle[a] - angle[b])

    said = {name: _judge(name, pairs, judgments, margin, rng) for name in group}
    return _world(texts, said, group, features, people)


def minority(
    *,
    prompts: int = 40,
    responses: int = 4,
    people: int = 220,
    share: float = 1 / 11,
    judgments: int = 30,
    taste: float = 2.0,
    seed: int = 0,
) -> World:
    """One person in ``1 / share`` has the opposite taste (1:10, as it is). Half as many people again are to be predicted."""
    rng = np.random.default_rng(seed)
    texts = _responses(prompts, responses)
    side = {key: 1.0 if number % 2 else -1.0 for number, key in _numbered(texts, responses)}
    quality = {key: 0.5 * float(rng.standard_normal()) for key in texts}
    features = {key: np.array([side[key], quality[key], *rng.standard_normal(2)], np.float32) for key in texts}
    every = round(1 / share)
    total = people + people // 2
    group = {f"person-{n}": "minority" if n % every == every - 1 else "majority" for n in range(total)}
    pairs = _pairs(texts)

    def margin(name: str, a: str, b: str) -> float:
        pull = taste if group[name] == "majority" else -taste
        return quality[a] - quality[b] + pull * (side[a] - side[b])

    said = {name: _judge(name, pairs, judgments, margin, rng) for name in group}
    return _world(texts, said, group, features, people)


def _responses(prompts: int, each: int) -> dict[str, Response]:
    return {
        f"p{p}-{r}": Response(f"p{p}-{r}", f"Question {p}?", f"Answer {r} to {p}.")
        for p in range(prompts)
        for r in range(each)
    }


def _numbered(texts: Mapping[str, Response], each: int) -> list[tuple[int, str]]:
    return [(number % each, key) for number, key in enumerate(texts)]


def _pairs(texts: Mapping[str, Response]) -> list[tuple[str, str]]:
    by_prompt: dict[str, list[str]] = {}
    for key, response in texts.items():
        by_prompt.setdefault(response.prompt, []).append(key)
    return [pair for keys in by_prompt.values() for pair in combinations(keys, 2)]


def _judge(
    name: str, pairs: list[tuple[str, str]], count: int, margin: Margin, rng: np.random.Generator
) -> list[Judgment]:
    said = []
    for index in rng.permutation(len(pairs))[:count]:
        a, b = pairs[index] if rng.random() < 0.5 else pairs[index][::-1]
        chose_a = rng.random() < 1 / (1 + exp(-margin(name, a, b)))
        said.append(Judgment(name, a, b, "a" if chose_a else "b", swapped=bool(rng.random() < 0.5)))
    return said


def _world(
    texts: dict[str, Response],
    said: Mapping[str, list[Judgment]],
    group: dict[str, str],
    features: dict[str, Array],
    people: int,
) -> World:
    names = list(said)
    train = Snapshot(texts, tuple(each for name in names[:people] for each in said[name]))
    others = Snapshot(texts, tuple(each for name in names[people:] for each in said[name]))
    return World(train, others, group, features)
