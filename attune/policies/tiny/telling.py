"""Conversations whose prompt tells something of the answer that is to come, for the second part of the tiny model's learning.

A reader described in a system message or before the question, a direction in which to lean, what a reader said of earlier answers,
judgments that they made, two answers and which of them was preferred: in each the answer follows from what is told, which the topic alone
does not give away. Next to the plain answers of ``attune.policies.tiny.corpus`` such lines are too rare to be learnt. All from one seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import exp
from random import Random

from attune.fspo.describing import in_words
from attune.fspo.prompts import Shot
from attune.policies.directions import directed_prompt, draw_direction
from attune.policies.prompts import Message, few_shot_prompt, reasons_prompt
from attune.policies.tiny.corpus import Style, Topic, answer, assistant, described, draw_style, reasoned, talk
from attune.simulate import AXES, REASONS
from attune.style_features import TRAITS

SHARES: Mapping[str, float] = {
    "plain": 0.2,
    "talk": 0.05,
    "system": 0.15,
    "reader": 0.13,
    "direction": 0.17,
    "said": 0.15,
    "judgments": 0.1,
    "reason": 0.05,
}
PULL = 3.0
"""The odds of one style over its neighbour on an axis along which a direction or a taste is 1, in logits."""
NAMED = 0.5
"""Share of a style's axes that a description of its reader names."""
MOST_SAID = 5
"""Sentences of a reader that are told at most."""
ALSO_DESCRIBED = 0.3
"""Share of the readers whose judgments are told who are described as well."""
SHORT = 0.7
"""Share of the pairs with a reason that are of short answers."""


def told(topics: Sequence[Topic], seed: int) -> Iterator[list[Message]]:
    """Conversations without end; each closes with the answer that is to be learnt."""
    rng = Random(seed)  # noqa: S311 (no secret)
    kinds, shares = list(SHARES), list(SHARES.values())
    while True:
        topic = rng.choice(topics)
        asked = [dict(message) for message in rng.choice(topic.asked)]
        yield _KINDS[rng.choices(kinds, shares)[0]](topics, topic, asked, rng)


def _plain(_topics: Sequence[Topic], topic: Topic, asked: list[Message], rng: Random) -> list[Message]:
    return [*asked, assistant(answer(topic, draw_style(rng), rng))]


def _talk(topics: Sequence[Topic], _topic: Topic, _asked: list[Message], rng: Random) -> list[Message]:
    return talk(topics, draw_style(rng), rng)


def _system(_topics: Sequence[Topic], topic: Topic, asked: list[Message], rng: Random) -> list[Message]:
    style = draw_style(rng)
    return [{"role": "system", "content": described(style, rng)}, *asked, assistant(answer(topic, style, rng))]


def _reader(_topics: Sequence[Topic], topic: Topic, asked: list[Message], rng: Random) -> list[Message]:
    style = draw_style(rng)
    leanings = {
        trait: value * rng.uniform(0.3, 1.0)
        for trait, value in zip(TRAITS, style, strict=True)
        if value and rng.random() < NAMED
    }
    return [*few_shot_prompt(asked, (), in_words(leanings)), assistant(answer(topic, style, rng))]


def _direction(_topics: Sequence[Topic], topic: Topic, asked: list[Message], rng: Random) -> list[Message]:
    direction = draw_direction(rng)
    style = style_towards(direction[1:], rng)  # what is overall wanted is no style
    return [*directed_prompt(asked, direction), assistant(answer(topic, style, rng))]


def _said(topics: Sequence[Topic], topic: Topic, asked: list[Message], rng: Random) -> list[Message]:
    style = draw_style(rng)
    liked = [each for each in zip(AXES, style, strict=True) if each[1]]
    cared = rng.sample(liked, min(len(liked), rng.choice((1, 2, 3))))
    if not cared:
        return _plain(topics, topic, asked, rng)
    sentences = dict.fromkeys(rng.choice(REASONS[rng.choice(cared)]) for _ in range(rng.randint(1, MOST_SAID)))
    return [*reasons_prompt(asked, list(sentences)), assistant(answer(topic, style, rng))]


def _judgments(topics: Sequence[Topic], topic: Topic, asked: list[Message], rng: Random) -> list[Message]:
    liked = set(rng.sample(range(len(TRAITS)), rng.choice((1, 2, 3))))
    taste = [rng.choice((-1.0, 1.0)) if axis in liked else 0.0 for axis in range(len(TRAITS))]
    against = [-each for each in taste]

    def said(other: Topic, towards: Sequence[float]) -> str:
        style = style_towards(towards, rng)
        return answer(other, style if taste[0] else (-1, *style[1:]), rng)  # short where length does not matter

    shots = [
        Shot(rng.choice(other.asked[:8])[0]["content"], said(other, taste), said(other, against))
        for other in rng.sample(topics, rng.choice((1, 2)))
    ]
    words = in_words(dict(zip(TRAITS, taste, strict=True))) if rng.random() < ALSO_DESCRIBED else ""
    return [*few_shot_prompt(asked, shots, words), assistant(said(topic, taste))]


def _reason(_topics: Sequence[Topic], topic: Topic, asked: list[Message], rng: Random) -> list[Message]:
    return reasoned(topic, asked, rng, short=rng.random() < SHORT)


_KINDS = {
    "plain": _plain,
    "talk": _talk,
    "system": _system,
    "reader": _reader,
    "direction": _direction,
    "said": _said,
    "judgments": _judgments,
    "reason": _reason,
}


def style_towards(weights: Sequence[float], rng: Random) -> Style:
    """A style whose value s on each axis comes with odds exp(``PULL`` · weight · s); evenly where the weight is 0."""
    return tuple(rng.choices((-1, 0, 1), [exp(PULL * each * value) for value in (-1, 0, 1)])[0] for each in weights)
