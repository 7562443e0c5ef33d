"""When to ask about a trait instead of a pair: what it saves simulated annotators, in seconds.

Others in the same world than those fitted on are asked for a while: pairs chosen by information, and beside them questions
like “do you like answers more concise or more detailed than others do?” wherever one tells more per second
(``attune.select.aspect_first``). A pair takes as long as ``attune.simulate`` says. An answer to a question is the true taste on
the profile page's scale with a self-report's error, on five steps. The figure is the correlation of recovered with true reward
within prompts, after so many seconds.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from attune.data import Snapshot
from attune.encoders import DEFAULT_ENCODER, encode_cached
from attune.pacing import may_ask, questions_by
from attune.rewards import create
from attune.rewards.base import Comparison, RewardModel
from attune.rewards.corrections import ASKED_WORTH, Word, as_comparisons, trait_margins
from attune.rewards.traits import STRONG_TASTE
from attune.select import aspect_first, gain, margins_of_pairs, statement_gain
from attune.simulate import WORDS_PER_SECOND, Simulation, load_starter, simulate
from attune.style_features import TRAITS
from bench.attune_choice import WORLDS, answered, correlation

LASTS = 960.0
MARKS = (60, 120, 240, 480, 960)
QUESTION_SECONDS = 8.0
ERRORS = (0.25, 0.5, 1.0)
"""Spreads of what people say of themselves around what is true, in strong tastes."""


def run(quick: bool) -> dict[str, Any]:
    """Correlation after so many seconds by how, and how many questions were asked."""
    people, worlds, errors = (8, WORLDS[:1], ERRORS[1:2]) if quick else (24, WORLDS, ERRORS)
    figures: dict[str, Any] = {}
    with threadpool_limits(limits=1):
        for error in (None, *errors):
            curve, asked = np.zeros(len(MARKS)), 0.0
            for seed in worlds:
                found, questions = _world(seed, people, error)
                curve, asked = curve + found / len(worlds), asked + questions / len(worlds)
            name = "pairs alone" if error is None else f"questions too, error {error:g}"
            figures |= {
                f"{name}: after {mark} s": round(float(each), 3) for mark, each in zip(MARKS, curve, strict=True)
            }
            figures[f"{name}: questions a person"] = round(asked, 2)
    return figures


_models: dict[int, tuple[RewardModel, Simulation]] = {}


def _fitted(seed: int) -> tuple[RewardModel, Simulation]:
    if seed not in _models:
        world = simulate(load_starter(), seed=seed)
        features = encode_cached(
            DEFAULT_ENCODER, {key: (each.prompt, each.text) for key, each in world.responses.items()}
        )
        model = create("hybrid")
        model.fit(Snapshot(world.responses, world.judgments), features, encoder=DEFAULT_ENCODER)
        _models[seed] = model, world
    return _models[seed]


def _world(seed: int, people: int, error: float | None) -> tuple[np.ndarray, float]:
    """Mean correlation at each of ``MARKS``, and questions a person."""
    model, world = _fitted(seed)
    others = simulate(load_starter(), annotators=people, judgments=people, seed=seed + 99, quality=world.quality)
    tastes = np.array([each.taste for each in world.people.values()])
    curve, asked = np.zeros(len(MARKS)), 0
    for number, name in enumerate(others.people):
        own = (np.array(others.people[name].taste) - tastes.mean(axis=0)) / (STRONG_TASTE * tastes.std(axis=0))
        found, questions = _asked(model, others, name, own, error, np.random.default_rng(1000 + number))
        curve, asked = curve + found / people, asked + questions
    return curve, asked / people


def _asked(
    model: RewardModel, world: Simulation, name: str, own: np.ndarray, error: float | None, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """One person's session; own: their taste by trait, ±1 is strong."""
    ids = list(world.responses)
    items = model.items(ids)
    prompts = np.unique([world.responses[key].prompt for key in ids], return_inverse=True)[1]
    pairs = np.array(
        [pair for prompt in range(prompts.max() + 1) for pair in combinations(np.flatnonzero(prompts == prompt), 2)]
    )
    words = np.array([len(world.responses[key].text.split()) for key in ids])
    reading = words[pairs].sum(axis=1) / WORDS_PER_SECOND + 2.0
    truth = np.array([world.true_reward(name, key) for key in ids])
    left, stated, said = np.ones(len(pairs), bool), dict[str, Word](), list[Comparison]()
    found, clock, asked = np.zeros(len(MARKS)), 0.0, 0
    while clock < LASTS:
        latent = model.adapt([*said, *as_comparisons(model, stated)])
        now = correlation(model.score(latent, items).mean, truth, prompts)
        rows = np.flatnonzero(left)
        tells = gain(*margins_of_pairs(latent, items, *pairs[rows].T))
        best = int(np.argmax(tells))
        trait = None
        if error is not None and may_ask(len(said)) and asked < questions_by(len(said)):
            trait = _trait(model, latent, stated, float(tells[best]), reading[rows[best]])
        if trait is None:
            margin = abs(truth[pairs[rows[best], 0]] - truth[pairs[rows[best], 1]])
            took = (reading[rows[best]] - 2.0) * (0.6 + 0.8 / (1 + margin)) * float(np.exp(rng.normal(0, 0.3))) + 2.0
            left[rows[best]] = False
            said.append(answered(world, name, items, pairs[rows[best]], truth, rng))
        else:
            took = QUESTION_SECONDS
            asked += 1
            word = own[list(TRAITS).index(trait)] + rng.normal(0, error or 0.0)
            stated[trait] = Word(float(np.clip(np.round(2 * word) / 2, -1, 1)), ASKED_WORTH)
        for number, mark in enumerate(MARKS):
            if clock <= mark < clock + took or mark >= clock + took >= LASTS:
                found[number] = now
        clock += took
    return found, asked


def _trait(model: RewardModel, latent: Any, stated: dict[str, Word], pair: float, pair_seconds: float) -> str | None:
    mean, variance = trait_margins(model, latent)
    free = [number for number, name in enumerate(TRAITS) if name not in stated]
    row = aspect_first(statement_gain(mean[free], variance[free], ASKED_WORTH), QUESTION_SECONDS, pair, pair_seconds)
    return None if row is None else list(TRAITS)[free[row]]
