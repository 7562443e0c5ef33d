"""A linear head on a language model that imitates rewards which are not linear in it, and how well it does.

Ridge regression of the rewards on the student's vectors, within prompts (which is what rewards are for) and, with less
weight, in level. The penalty is chosen, and the agreement measured, on prompts that were not fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.errors import BadData
from attune.rewards.base import Array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
LEVEL_WEIGHT = 0.1
LEAST_PROMPTS = 10
PARTS = 5
"""Of the prompts one part chooses the penalty, one measures, and the others are fitted."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over ``prompts`` with several responses: pairs in the same order (of ``pairs``, both of one prompt), the
    correlation of rewards within prompts, and the root mean square difference there, in the teacher's units."""

    prompts: int
    pairs: int
    same_order: float
    correlation: float
    difference: float


@dataclass(frozen=True, slots=True)
class Student:
    """head (D,): the reward is ⟨head, vector⟩. ``agreement`` is on prompts that it was not fitted on."""

    head: Array
    agreement: Agreement


def fit_student(vectors: Array, rewards: Array, prompts: Ints, *, seed: int = 0) -> Student:
    """vectors (N, D), rewards (N,) of the teacher, prompts (N,) as numbers. Raises ``BadData`` for fewer prompts with
    several responses than ``LEAST_PROMPTS``."""
    numbers, counts = np.unique(prompts, return_counts=True)
    several = numbers[counts > 1]
    if len(several) < LEAST_PROMPTS:
        raise BadData(
            f"a student needs at least {LEAST_PROMPTS} prompts with two or more responses each; there are {len(several)}"
        )
    shuffled = np.random.default_rng(seed).permutation(several)
    size = max(2, len(several) // PARTS)
    choosing, measuring = shuffled[:size], shuffled[size : 2 * size]
    x, y = vectors.astype(np.float64), rewards.astype(np.float64)
    fitted, rest = ~np.isin(prompts, np.concatenate([choosing, measuring])), ~np.isin(prompts, measuring)
    heads = _ridges(x[fitted], y[fitted], prompts[fitted])
    best = int(np.argmin([_difference(x, y, prompts, choosing, head) for head in heads]))
    head = _ridges(x[rest], y[rest], prompts[rest])[best]
    measured = np.isin(prompts, measuring)
    return Student(head.astype(np.float32), agreement_on(x[measured] @ head, y[measured], prompts[measured]))


def agreement_on(student: NDArray[Any], teacher: NDArray[Any], prompts: Ints) -> Agreement:
    """How far two rewards of the same responses, (N,) each, agree within ``prompts`` (N,). NaN where nothing differs."""
    own, _ = _split(student.astype(np.float64)[:, None], prompts)
    theirs, _ = _split(teacher.astype(np.float64)[:, None], prompts)
    same = pairs = several = 0
    for prompt in np.unique(prompts):
        a, b = own[prompts == prompt, 0], theirs[prompts == prompt, 0]
        first, second = np.triu_indices(len(a), 1)
        decided = b[first] != b[second]
        same += int((np.sign(a[first] - a[second]) == np.sign(b[first] - b[second]))[decided].sum())
        pairs += int(decided.sum())
        several += len(a) > 1
    spread = np.sqrt((own**2).sum() * (theirs**2).sum())
    return Agreement(
        prompts=several,
        pairs=pairs,
        same_order=same / pairs if pairs else float("nan"),
        correlation=float((own * theirs).sum() / spread) if spread else float("nan"),
        difference=float(np.sqrt(((own - theirs) ** 2).mean())) if len(own) else float("nan"),
    )


def _ridges(x: Floats, y: Floats, prompts: Ints) -> list[Floats]:
    """One head for each of ``PENALTIES``."""
    x_within, x_level = _split(x, prompts)
    y_within, y_level = _split(y[:, None], prompts)
    gram = x_within.T @ x_within + LEVEL_WEIGHT * x_level.T @ x_level
    target = x_within.T @ y_within[:, 0] + LEVEL_WEIGHT * x_level.T @ y_level[:, 0]
    scale = np.trace(gram) / len(gram) / len(x)
    return [np.linalg.solve(gram + penalty * scale * np.eye(len(gram)), target) for penalty in PENALTIES]


def _split(values: Floats, prompts: Ints) -> tuple[Floats, Floats]:
    """What differs within prompts, and each row's prompt's mean."""
    _, places, counts = np.unique(prompts, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, places, values)
    level = (sums / counts[:, None])[places]
    return values - level, level


def _difference(x: Floats, y: Floats, prompts: Ints, of: Ints, head: Floats) -> float:
    rows = np.isin(prompts, of)
    theirs, _ = _split((x[rows] @ head - y[rows])[:, None], prompts[rows])
    return float(np.sqrt((theirs**2).mean()))
