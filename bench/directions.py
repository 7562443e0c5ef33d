"""Direction-conditioned policies on the tiny model: `python -m bench.directions [SEED]`.

Judgments of one simulated annotator (short and casual, as in ``bench.policies``), each learnt under drawn directions as well. What the
policy then says on topics that nobody judged is measured twice: by the trait that the direction names, in spreads among the corpus's
answers, and by plain markers in the text. One JSON line a direction and its opposite; the same questions and seed for both.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from attune.direction import ASPECTS, OVERALL, Yardstick
from attune.policies.directions import directed_prompt, direction_line
from attune.policies.generate import generate
from bench.policies import MARKERS, PEOPLE, SETTINGS, World, judged, loaded, make_world, tell, train

PAIRS, DIRECTIONS, EPOCHS, SAMPLES = 200, 4, 2, 40
NAME = "short and casual"
MARKER = dict(zip([each for each in ASPECTS if each != OVERALL], MARKERS, strict=True))
"""The plain marker of each trait, in the same order."""


def one(aspect: str, sign: float) -> tuple[float, ...]:
    return tuple(sign if name == aspect else 0.0 for name in ASPECTS)


def says(world: World, policy: Path | None, direction: tuple[float, ...], seed: int) -> list[str]:
    """Answers to ``SAMPLES`` questions in a direction."""
    model, tokenizer = loaded(policy)
    rng = random.Random(seed)
    asked = [rng.choice(rng.choice(world.asked).asked[:8]) for _ in range(SAMPLES)]
    prompts = [directed_prompt(each, direction) for each in asked]
    return [each[0].text for each in generate(model, tokenizer, prompts, seed=seed, max_new_tokens=256, batch=20)]


def measure(world: World, policy: Path | None, yardstick: Yardstick, seed: int) -> None:
    """Each trait in both directions, for a policy or (None) the base model that never learnt to read them."""
    for place, trait in enumerate(MARKER):
        there, opposite = (says(world, policy, one(trait, sign), seed) for sign in (1.0, -1.0))
        apart = yardstick.traits(there)[:, place] - yardstick.traits(opposite)[:, place]
        counted = [[MARKERS[MARKER[trait]](text) for text in texts] for texts in (there, opposite)]
        tell(
            kind="base" if policy is None else "policy",
            trait=trait,
            apart=round(float(apart.mean()), 3),
            error=round(stdev(apart.tolist()) / SAMPLES**0.5, 3),
            marker=MARKER[trait],
            marker_there=round(fmean(counted[0]), 2),
            marker_opposite=round(fmean(counted[1]), 2),
            prompt=direction_line(one(trait, 1.0)),
            sample=there[0],
            sample_opposite=opposite[0],
        )


def main(seed: int) -> None:
    world = make_world()
    snapshot = judged({NAME: PEOPLE[NAME]}, world.judged, PAIRS, seed)
    yardstick = Yardstick.of([each.text for each in snapshot.responses.values()])
    settings = replace(SETTINGS, directions=DIRECTIONS, epochs=EPOCHS, held_out=0.15, seed=seed)
    policy, figures, seconds = train(snapshot, settings)
    tell(
        kind="fit",
        seed=seed,
        held_out=figures.get("held_out_accuracy"),
        learnt=figures.get("learnt_accuracy"),
        steps=figures["steps"],
        seconds=round(seconds),
        cpu=round(time.process_time()),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    measure(world, policy, yardstick, seed)
    measure(world, None, yardstick, seed)


if __name__ == "__main__":
    np.seterr(all="raise")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
