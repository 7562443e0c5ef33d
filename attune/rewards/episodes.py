"""Episodes for meta-learning: of each annotator some judgments as a context and others to be predicted from it.

Context and targets share no response (no prompt, where the annotator has judged several), as at serving time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.rewards.base import Array
from attune.rewards.indexing import Comparisons, Ints
from attune.rewards.newcomers import LEAST_PROMPTS

MOST_CONTEXT = 16
MOST_TARGETS = 16
TEXT_ONLY_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Sampler:
    """Draws batches of episodes from ``comparisons``; groups (responses,) are the responses' prompts."""

    comparisons: Comparisons
    groups: Ints
    batch: int = 64

    def batches(self, rng: np.random.Generator, steps: int) -> Iterator[dict[str, NDArray[Any]]]:
        """So many batches: columns of ``episodes`` for some annotators each. Nothing where nobody has a target."""
        units = self._units()
        done = 0
        while done < steps:
            drawn = self._episodes(rng, units)
            people = rng.permutation(len(drawn["target_a"]))
            if not len(people):
                return
            for start in range(0, len(people), self.batch):
                chosen = people[start : start + self.batch]
                yield {name: column[chosen] for name, column in drawn.items()}
                done += 1
                if done >= steps:
                    return

    def _units(self) -> tuple[Ints, Ints, int]:
        """What a context may not share with its targets, as numbers, for side a and b of each row, and how many."""
        said = self.comparisons
        prompts = self.groups[said.a]
        base = len(self.groups)
        pairs = np.unique(said.annotator * base + prompts)
        several = np.bincount(pairs // base, minlength=said.annotators) >= LEAST_PROMPTS
        by_prompt = several[said.annotator]
        a, b = (np.where(by_prompt, self.groups[side], side) for side in (said.a, said.b))
        keys = np.concatenate([said.annotator * base + a, said.annotator * base + b])
        names, numbers = np.unique(keys, return_inverse=True)
        return numbers[: len(said)], numbers[len(said) :], len(names)

    def _episodes(self, rng: np.random.Generator, units: tuple[Ints, Ints, int]) -> dict[str, NDArray[Any]]:
        """One episode for every annotator with a target.

        context_a, context_b (U, C), the first preferred, and context_here (U, C) of 0 and 1; target_a, target_b,
        target_choice (1, 0 or ½ for a tie), target_side and target_weight (U, T), 0 where there is none.
        """
        said = self.comparisons
        of_a, of_b, count = units
        first = rng.random(count) < 0.5
        context = np.flatnonzero(first[of_a] & first[of_b] & (said.outcome != 0))
        target = np.flatnonzero(~first[of_a] & ~first[of_b])
        targets = _slots(target, said.annotator, said.annotators, MOST_TARGETS, rng)
        people = np.flatnonzero((targets >= 0).any(axis=1))
        contexts = _slots(context, said.annotator, said.annotators, MOST_CONTEXT, rng)[people]
        targets = targets[people]
        sizes = rng.integers(0, MOST_CONTEXT + 1, len(people))
        here = (contexts >= 0) & (np.arange(MOST_CONTEXT) < sizes[:, None])
        won, lost = np.where(said.outcome > 0, said.a, said.b), np.where(said.outcome > 0, said.b, said.a)
        return {
            "context_a": won[contexts],
            "context_b": lost[contexts],
            "context_here": here.astype(np.float32),
            "target_a": said.a[targets],
            "target_b": said.b[targets],
            "target_choice": (0.5 + 0.5 * said.outcome[targets]).astype(np.float32),
            "target_side": said.side[targets],
            "target_weight": np.where(targets >= 0, said.weight[targets], 0).astype(np.float32),
            "person": people,
        }


def _slots(rows: Ints, annotator: Ints, annotators: int, most: int, rng: np.random.Generator) -> Ints:
    """Up to ``most`` of the rows for each annotator, drawn at random, (annotators, most); −1 where there is none."""
    rows = rng.permutation(rows)
    rows = rows[np.argsort(annotator[rows], kind="stable")]
    owner = annotator[rows]
    rank = np.arange(len(rows)) - np.searchsorted(owner, owner)
    kept = rank < most
    slots = np.full((annotators, most), -1, np.int64)
    slots[owner[kept], rank[kept]] = rows[kept]
    return slots


def rows_in_batches(
    comparisons: Comparisons, batch: int, rng: np.random.Generator, steps: int
) -> Iterator[dict[str, NDArray[Any]]]:
    """Plain batches of judgments, for models that are not meta-learned: columns ``a, b, choice, side, weight, lead,
    person``."""
    done = 0
    lead = comparisons.leads
    choice: Array = (0.5 + 0.5 * comparisons.outcome).astype(np.float32)
    while done < steps:
        order = rng.permutation(len(comparisons))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            yield {
                "a": comparisons.a[rows],
                "b": comparisons.b[rows],
                "choice": choice[rows],
                "side": comparisons.side[rows],
                "weight": comparisons.weight[rows],
                "lead": lead[rows],
                "person": comparisons.annotator[rows],
            }
            done += 1
            if done >= steps:
                return


def kept_deltas(count: int, rng: np.random.Generator) -> Array:
    """1 for the responses that keep their δ in this step, else 0, (N, 1)."""
    return (rng.random((count, 1)) >= TEXT_ONLY_SHARE).astype(np.float32)
