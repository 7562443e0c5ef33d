"""How well a project of a few simulated annotators knows them: `python -m bench.small_projects [SEED …]`.

Two kinds of project. In the one everybody is asked about pairs of their own (answers of the tiny corpus, new for each judgment), in the other
all about the starter project's, of which half of the pairs are left for measuring. Beside ``hybrid`` stand the pooled model and, for each
person, a ``bradley_terry`` of their own judgments alone. One JSON line a project and seed: share of held-out judgments that are predicted right
(noise-free in the first kind) and log-loss, means over people.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from attune.data import Judgment, Snapshot
from attune.encoders import encode_cached
from attune.evaluate import comparisons, predict
from attune.rewards import create
from attune.rewards.base import Array
from attune.simulate import load_starter, simulate
from bench import policy_world as world

ENCODER = "style"
OF_THEIR_OWN = (60, 200)
ON_ALIKE = ((4, 40), (6, 100), (10, 40), (16, 40))
KEY = "held-out "

Project = tuple[str, Snapshot, Snapshot]
"""What it is called, what is learnt, and what is asked."""


def projects(seed: int) -> Iterator[Project]:
    names = list(world.OTHERS)
    asked = _renamed(world.judged(dict.fromkeys(names, 300), world.asked_topics(), seed + 100, wavers=False))
    for count in OF_THEIR_OWN:
        learnt = world.judged(dict.fromkeys(names, count), world.learnt_topics(), seed)
        yield f"{len(names)} people, {count} pairs of their own each", learnt, asked
    for people, each in ON_ALIKE:
        simulated = simulate(load_starter(), annotators=people, judgments=2 * people * each, seed=seed)
        pairs = sorted({(said.a, said.b) for said in simulated.judgments})
        order = np.random.default_rng(seed).permutation(len(pairs))
        held = {pairs[place] for place in order[: len(pairs) // 2]}
        parts: tuple[list[Judgment], list[Judgment]] = [], []
        for said in simulated.judgments:
            parts[(said.a, said.b) in held].append(said)
        learnt, asked_too = (Snapshot(simulated.responses, tuple(part)) for part in parts)
        yield f"{people} people, {each} pairs each of the same", learnt, asked_too


def _renamed(snapshot: Snapshot) -> Snapshot:
    """Other ids than those that are learnt."""
    responses = {KEY + key: replace(each, id=KEY + key) for key, each in snapshot.responses.items()}
    said = tuple(replace(each, a=KEY + each.a, b=KEY + each.b) for each in snapshot.judgments)
    return replace(snapshot, responses=responses, judgments=said)


def _measured(kind: str, learnt: Snapshot, asked: Snapshot, features: dict[str, Array]) -> tuple[float, float]:
    shared = create("bradley_terry" if kind == "alone" else kind)
    if kind != "alone":
        shared.fit(learnt, features, encoder=ENCODER)
    found = []
    for name in sorted({each.annotator for each in learnt.judgments}):
        mine, theirs = (_of(snapshot, name) for snapshot in (learnt, asked))
        if kind == "alone":
            shared.fit(replace(learnt, judgments=tuple(mine)), features, encoder=ENCODER)
        latent = shared.adapt(comparisons(shared, mine)) if kind == "hybrid" else shared.prior()
        p = predict(shared, latent, theirs, features)
        chosen = np.array([each.choice == "a" for each in theirs])
        found.append(((p > 0.5) == chosen, -np.log(np.where(chosen, p, 1 - p))))
    return tuple(round(float(np.mean([each[place].mean() for each in found])), 3) for place in (0, 1))  # type: ignore[return-value]


def _of(snapshot: Snapshot, name: str) -> list[Judgment]:
    return [each for each in snapshot.judgments if each.annotator == name and each.choice in ("a", "b")]


def main(seeds: Sequence[int]) -> None:
    with threadpool_limits(limits=1):
        for seed in seeds:
            for name, learnt, asked in projects(seed):
                responses = {**learnt.responses, **asked.responses}
                texts = {key: (each.prompt, each.text) for key, each in responses.items()}
                features = encode_cached(ENCODER, texts)
                line = {kind: _measured(kind, learnt, asked, features) for kind in ("bradley_terry", "alone", "hybrid")}
                sys.stdout.write(json.dumps({"seed": seed, "project": name, **line}) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or (21, 22, 23))
