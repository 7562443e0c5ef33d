"""Groups of people who judge alike: an ensemble of latent class models, the other half of ``hybrid``'s prior of tastes.

In a model of C classes an annotator belongs to class k with probability π_k, and then prefers a to b with odds
exp(s_k(a) − s_k(b)), s_k = base + δ_k, δ ~ N(0, 1/λ). EM (Dempster, Laird and Rubin 1977) from a random start, tempered in its
first rounds; the M-step is a few preconditioned gradient steps. What one start finds is one reading of the data among many,
so models of several sizes and starts are averaged. A tie counts as half a win for each side.

A Gaussian prior knows in which directions people differ; classes also know that they come in groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from attune.rewards.base import Array
from attune.rewards.indexing import Comparisons

STEPS = 3
LONGEST_STEP = 1.0
WARMING = 15
"""Rounds in which the evidence for a class counts less than fully, from a third."""
COLDEST = 0.3


@dataclass(frozen=True, slots=True)
class ClassFit:
    """One model of C classes: shifts δ (N, C) from the base and log π (C,)."""

    shifts: Array
    log_prior: Array


class ClassTrainer:
    """Fits class models on some comparisons of N responses, given their base rewards (N,)."""

    def __init__(self, comparisons: Comparisons, base: Array, precision: float) -> None:
        self.base, self.precision = base, precision
        low, high = np.minimum(comparisons.a, comparisons.b), np.maximum(comparisons.a, comparisons.b)
        keys, pair = np.unique(low * len(base) + high, return_inverse=True)
        self.low, self.high = keys // len(base), keys % len(base)
        people, who = np.unique(comparisons.annotator, return_inverse=True)
        shape = (len(people), len(keys))
        leaning, weight = comparisons.evidence
        toward_low = 0.5 + 0.5 * np.where(comparisons.a == low, 1, -1) * leaning
        self.said_low = _counts(weight * toward_low, who, pair, shape)
        self.said_high = _counts(weight * (1 - toward_low), who, pair, shape)
        every = np.arange(len(keys))
        ends, pairs = np.concatenate([self.low, self.high]), np.concatenate([every, every])
        self.incidence = _counts(np.repeat([1.0, -1.0], len(keys)), ends, pairs, (len(base), len(keys)))
        self.touching = abs(self.incidence)
        self.margin = (base[self.low] - base[self.high])[:, None].astype(np.float32)

    def fit(self, classes: int, rounds: int, rng: np.random.Generator, start: ClassFit | None = None) -> ClassFit:
        """So many rounds of EM, from a random assignment or from an earlier fit."""
        people = self.said_low.shape[0]
        shifts = np.zeros((len(self.base), classes), np.float32) if start is None else start.shifts
        log_prior = np.full(classes, -np.log(classes), np.float32) if start is None else start.log_prior
        share: Array = rng.dirichlet(np.ones(classes), people).astype(np.float32)
        if start is not None:
            share = self._share(shifts, log_prior, 1.0)
        for number in range(rounds):
            shifts = self._improved(shifts, share)
            sizes = share.sum(axis=0) + 1
            log_prior = np.log(sizes / sizes.sum()).astype(np.float32)
            trust = 1.0 if start is not None else min(1.0, COLDEST + (1 - COLDEST) * number / WARMING)
            share = self._share(shifts, log_prior, trust)
        return ClassFit(shifts, log_prior)

    def _improved(self, shifts: Array, share: Array) -> Array:
        """δ given everybody's shares (U, C) in the classes. Each step is safe, as it divides by a bound of the curvature."""
        low, high = self.said_low.T @ share, self.said_high.T @ share
        for _ in range(STEPS):
            p = _sigmoid(self.margin + shifts[self.low] - shifts[self.high])
            gradient = self.incidence @ (low * (1 - p) - high * p) - self.precision * shifts
            curvature = 2 * (self.touching @ ((low + high) * p * (1 - p))) + self.precision
            shifts = shifts + np.clip(gradient / curvature, -LONGEST_STEP, LONGEST_STEP)
        return np.asarray(shifts, np.float32)

    def _share(self, shifts: Array, log_prior: Array, trust: float) -> Array:
        margin = self.margin + shifts[self.low] - shifts[self.high]
        evidence = self.said_low @ log_sigmoid(margin) + self.said_high @ log_sigmoid(-margin)
        return softmax(trust * (log_prior + evidence))


def fit_classes(
    comparisons: Comparisons,
    base: Array,
    sizes: Sequence[int],
    *,
    precision: float,
    rounds: int,
    rng: np.random.Generator,
    starts: Sequence[ClassFit] = (),
    report: Callable[[int], None] = lambda _: None,
) -> list[ClassFit]:
    """One model for each of ``sizes``, from ``starts`` where there are such; base (N,). ``report`` gets their number."""
    trainer = ClassTrainer(comparisons, base, precision)
    fits = []
    for number, size in enumerate(sizes):
        fits.append(trainer.fit(size, rounds, rng, starts[number] if starts else None))
        report(number + 1)
    return fits


def log_sigmoid(x: Array) -> Array:
    """log σ(x), without overflow."""
    return np.asarray(np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), np.float32)


def softmax(logits: Array) -> Array:
    """Over the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True), np.float32)


def _counts(
    values: NDArray[np.floating], rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]
) -> sparse.csr_array:
    return sparse.csr_array((values.astype(np.float32), (rows, columns)), shape=shape)


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float32)
