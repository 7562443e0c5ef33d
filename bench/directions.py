"""Direction-conditioned policies on the tiny model: `python -m bench.directions [SEED [METHOD [ASPECT …]]]`.

Pairs of short answers of the tiny corpus in drawn styles, each learnt under directions drawn along the aspects (all unless some are
named). What the policy then says on topics that nobody judged is measured twice: by the trait that the direction names, in spreads
among the answers learnt from, and by plain markers in the text. One JSON line a direction and its opposite; the same questions and
seed for both.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from transformers import AutoModelForCausalLM

from attune.data import Judgment, Response, Snapshot
from attune.direction import ASPECTS, OVERALL, Yardstick
from attune.policies.base import load_base
from attune.policies.directions import directed_prompt, direction_line
from attune.policies.generate import generate
from attune.policies.settings import PolicySettings
from attune.policies.tiny.corpus import Topic, answer, draw_style
from attune.policies.trainer import fit_policy
from bench.policy_world import MARKERS, asked_topics, learnt_topics

PAIRS, DIRECTIONS, EPOCHS, SAMPLES = 200, 2, 2, 40
OPTIONS = {"orpo": {"odds": 1.0}, "dpo": {"beta": 0.5}}
MARKER = dict(zip([each for each in ASPECTS if each != OVERALL], MARKERS, strict=True))
"""The plain marker of each trait, in the same order."""


def tell(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def pairs_of(topics: Sequence[Topic], seed: int) -> Snapshot:
    """Short answers, so that a processor is enough; somebody simulated who prefers at random, as directions are what is learnt."""
    rng = random.Random(seed)
    responses: dict[str, Response] = {}
    said = []
    for number in range(PAIRS):
        topic = rng.choice(topics)
        prompt = rng.choice(topic.asked[:8])[0]["content"]
        keys = f"{number}-a", f"{number}-b"
        for key in keys:
            responses[key] = Response(key, prompt, answer(topic, (-1, *draw_style(rng)[1:]), rng))
        said.append(Judgment("simulated", *keys, rng.choice(("a", "b"))))
    return Snapshot(responses, tuple(said), "0" * 64)


def says(model: Any, tokenizer: Any, aspect: str, sign: float, seed: int) -> list[str]:
    """Answers to ``SAMPLES`` questions in the direction of an aspect, or in the opposite one."""
    rng = random.Random(seed)
    direction = [sign if name == aspect else 0.0 for name in ASPECTS]
    asked = [directed_prompt(rng.choice(rng.choice(asked_topics()).asked[:8]), direction) for _ in range(SAMPLES)]
    return [each[0].text for each in generate(model, tokenizer, asked, seed=seed, max_new_tokens=128, batch=20)]


def measure(model: Any, tokenizer: Any, yardstick: Yardstick, trait: str, seed: int, **about: Any) -> None:
    """One line: how far answers in a trait's direction and in the opposite one are apart."""
    place, marker = list(MARKER).index(trait), MARKERS[MARKER[trait]]
    there, opposite = (says(model, tokenizer, trait, sign, seed) for sign in (1.0, -1.0))
    apart = yardstick.traits(there)[:, place] - yardstick.traits(opposite)[:, place]
    tell(
        **about,
        seed=seed,
        trait=trait,
        apart=round(float(apart.mean()), 3),
        error=round(stdev(apart.tolist()) / SAMPLES**0.5, 3),
        marker=MARKER[trait],
        marker_there=round(fmean(map(marker, there)), 2),
        marker_opposite=round(fmean(map(marker, opposite)), 2),
        prompt=direction_line([float(name == trait) for name in ASPECTS]),
        sample=there[0],
        sample_opposite=opposite[0],
    )


def main(seed: int, method: str, aspects: list[str]) -> None:
    snapshot = pairs_of(learnt_topics(), seed)
    settings = PolicySettings(
        method=method,
        options=OPTIONS[method],
        adapter="full",
        directions=DIRECTIONS,
        aspects=aspects,
        epochs=EPOCHS,
        held_out=0.0,
        samples=0,
        checkpoint_every=1_000,
        seed=seed,
    )
    folder = Path(tempfile.mkdtemp(prefix="bench-directions-"))
    figures = fit_policy(snapshot, settings, out=folder / "policy", work=folder / "work").metrics
    tell(
        settings=settings.as_mapping(),
        steps=figures["steps"],
        seconds=round(figures["seconds"]),
        cpu=round(time.process_time()),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    yardstick = Yardstick.of([each.text for each in snapshot.responses.values()])
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder / "policy"), load_base("tiny").tokenizer
    for trait in [each for each in aspects if each != OVERALL] or MARKER:
        measure(model, tokenizer, yardstick, trait, seed)


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["1"])[0]), (sys.argv[2:] or ["orpo"])[0], sys.argv[3:])
