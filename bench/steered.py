"""Whether policies that learnt from somebody still follow a direction in their prompt: `python -m bench.steered [SEED …]`.

The tiny model follows directions as it ships (`bench.directions`). For a few simulated annotators a policy is fitted as the page proposes it, and asked in
a trait's direction and in the opposite one, as the base is. One JSON line a policy and trait; `liked` marks traits that the annotator's taste is of.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from attune.direction import Yardstick
from bench.directions import MARKER, measure
from bench.policies import proposed
from bench.policy_cells import judged_of, learn, loaded
from bench.policy_world import EVERYBODY

PEOPLE = ("short and casual", "careful and warm", "lists with examples")


def main(seeds: list[int]) -> None:
    torch.set_num_threads(1)
    for seed in seeds:
        for name in PEOPLE:
            cell = proposed(name, seed)
            snapshot = judged_of(cell)
            yardstick = Yardstick.of([each.text for each in snapshot.responses.values()])
            with tempfile.TemporaryDirectory(prefix="bench-steered-") as folder:
                learnt = learn(cell, snapshot, Path(folder))
                for policy in (None, learnt):
                    model, tokenizer = loaded(policy)
                    for trait, axis in MARKER.items():
                        about = {"policy": name if policy else "base", "liked": EVERYBODY[name].get(axis, 0)}
                        measure(model, tokenizer, yardstick, trait, seed, **about)


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [1])
