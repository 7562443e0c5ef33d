"""Item vectors and the prior of tastes by variational EM: the fit behind ``hybrid``. Numpy and scipy only.

A judgment by u of a against b has margin m = c·(b_a − b_b)(1 + s₀ z₀) + (p + s_p z_p)·side + ⟨z, q_a − q_b⟩ with z ~ N(0, I) per
annotator, given the pooled rewards b. Under the bound of Jaakkola and Jordan (2000) the logistic likelihood becomes Gaussian,

    log σ(±m) ≥ ±m/2 − ω m²/2 + const,    ω = tanh(ξ/2) / 2ξ,  ξ² = E[m²],

so that annotators (z) and responses (q) have Gaussian posteriors in turn, in closed form (mean field between the two). A tie
counts as half a win for each side, and a margin to be aimed at is subtracted from m. Responses are drawn to their text,
q_x ~ N(Vφ(x), I/λ), with V a ridge regression. After each round the basis is turned so that E[zzᵀ] over annotators is I: the
community's prior (parameter-expanded EM, Liu et al. 1998).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from attune.rewards.base import Array
from attune.rewards.indexing import Comparisons, Ints
from attune.rewards.pooled import PooledFit

BLOCK = 16
"""Judgments of one annotator are worked on in blocks of this many, so that everything is batched matrix products."""
SLICE = 256
"""Blocks whose matrices are held at once."""
CONJUGATE_STEPS = 6
EXTRA = 2
"""Coordinates of z before the item vectors': the factor on the pooled reward, and the position."""
START_SPREAD = 0.3
SMALLEST_SPREAD = 1e-3
PSEUDO = 5.0


@dataclass(frozen=True, slots=True)
class FactorConfig:
    """rank: width of item vectors. vector_precision: λ above. text_precision: ridge on V, in the same units."""

    rank: int = 8
    vector_precision: float = 2.0
    text_precision: float = 10.0


@dataclass(frozen=True, slots=True)
class FactorFit:
    """What a fit found. vectors (N, rank) and their covariances (N, rank, rank), text_vectors (F, rank), scalars as above."""

    vectors: Array
    vector_covs: Array
    text_vectors: Array
    reward_scale: float
    reward_spread: float
    position: float
    position_spread: float


class FactorTrainer:
    """Runs EM rounds on some judgments of N responses; ``fit`` holds the state, and may come from an earlier trainer.

    mapped (N, F).
    """

    def __init__(self, mapped: Array, pooled: PooledFit, config: FactorConfig, fit: FactorFit | None = None) -> None:
        self.mapped, self.pooled, self.config = mapped, pooled, config
        self.rewards = pooled.rewards(mapped)
        ridge = config.text_precision * np.eye(mapped.shape[1])
        self.to_text = np.linalg.solve(mapped.T @ mapped + ridge, mapped.T).astype(np.float32)
        self.fit = fit

    def run(self, comparisons: Comparisons, rounds: int, report: Callable[[int, float], None]) -> FactorFit:
        """So many rounds; goes on from the last ``run``. ``report`` gets the round and the mean log-loss in sample."""
        data = _Blocks(comparisons, len(self.mapped))
        fit = self.fit or self._start(data)
        omega = 0.25 * data.weight
        for number in range(1, rounds + 1):
            tastes, omega, loss = self._infer_tastes(data, fit, omega)
            fit = self._update(data, fit, tastes, omega)
            report(number, loss)
        self.fit = fit
        return fit

    def _start(self, data: _Blocks) -> FactorFit:
        """Leading directions of what the pooled model leaves unexplained, annotators × responses."""
        rank, count = self.config.rank, len(self.mapped)
        margin = data.spread(self.rewards[:, None])[..., 0] + self.pooled.position * data.side - data.lead
        residual = data.half - 0.5 * data.weight * np.tanh(margin / 2)
        table = data.by_annotator(residual)
        per_judgment = 1 / np.sqrt(np.maximum(data.counts, 1))
        kept = max(1, min(rank, min(table.shape) - 1))
        values, directions = _leading(sparse.diags_array(per_judgment) @ table, kept)
        order = np.argsort(-values)
        vectors = np.zeros((count, rank), np.float32)
        scale = 0.5 * np.sqrt(count) * values[order] / max(float(values.max()), 1e-12)
        vectors[:, :kept] = directions[order].T * scale
        return FactorFit(
            vectors=vectors,
            vector_covs=np.zeros((count, rank, rank), np.float32),
            text_vectors=np.zeros((self.mapped.shape[1], rank), np.float32),
            reward_scale=1.0,
            reward_spread=START_SPREAD,
            position=self.pooled.position,
            position_spread=START_SPREAD,
        )

    def _infer_tastes(self, data: _Blocks, fit: FactorFit, omega: Array) -> tuple[_Tastes, Array, float]:
        """Posteriors of z for every annotator, new ω, and the mean log-loss at the posterior means."""
        gap, base = self._fixed(data, fit)
        design = np.concatenate(
            [
                (fit.reward_scale * fit.reward_spread * gap)[..., None],
                (fit.position_spread * data.side)[..., None],
                data.spread(fit.vectors),
            ],
            axis=2,
        )
        precision = data.sum(np.swapaxes(design, 1, 2) @ (omega[..., None] * design)) + np.eye(design.shape[2])
        precision[:, EXTRA:, EXTRA:] += data.item_sum(omega, fit.vector_covs)
        linear = data.sum((np.swapaxes(design, 1, 2) @ (data.half - omega * base)[..., None])[..., 0])
        cov = np.linalg.inv(precision).astype(np.float32)
        mean = (cov @ linear[..., None])[..., 0].astype(np.float32)
        second = cov + mean[:, :, None] * mean[:, None, :]
        margin = base + (design @ mean[data.owner][..., None])[..., 0]
        square = base**2 + 2 * base * (margin - base) + ((design @ second[data.owner]) * design).sum(axis=2)
        square += data.item_trace(second[:, EXTRA:, EXTRA:], fit.vector_covs)
        xi = np.sqrt(np.maximum(square, 1e-8))
        loss = -(data.half * margin - data.weight * np.logaddexp(margin / 2, -margin / 2)).sum() / data.weight.sum()
        return _Tastes(mean, second), (data.weight * np.tanh(xi / 2) / (2 * xi)).astype(np.float32), float(loss)

    def _update(self, data: _Blocks, fit: FactorFit, tastes: _Tastes, omega: Array) -> FactorFit:
        """Posteriors of q given the tastes, V, and the community's scalars; then the turn of the basis."""
        gap, base = self._fixed(data, fit)
        precision = self.config.vector_precision
        of_block = tastes.mean[data.owner]
        extra = np.stack([fit.reward_scale * fit.reward_spread * gap, fit.position_spread * data.side], axis=2)
        crossed = extra @ tastes.second[data.owner][:, :EXTRA, EXTRA:]
        pull = (data.half - omega * base)[..., None] * of_block[:, None, EXTRA:] - omega[..., None] * crossed
        target = data.gather(pull) + precision * (self.mapped @ fit.text_vectors)
        second = tastes.second[:, EXTRA:, EXTRA:]
        curvature = data.item_curvature(omega, second) + precision * np.eye(self.config.rank, dtype=np.float32)
        covs = np.linalg.inv(curvature).astype(np.float32)
        vectors = self._solve(data, omega, second, target, fit.vectors, covs)
        spread = np.mean(tastes.second, axis=0)
        turn = np.linalg.cholesky(spread[EXTRA:, EXTRA:] + 1e-6 * np.eye(self.config.rank)).astype(np.float32)
        personal = (data.spread(vectors) * of_block[:, None, EXTRA:]).sum(axis=2)
        free = data.half - omega * (personal + fit.position * data.side - data.lead)
        scale = ((free * gap).sum() + PSEUDO) / ((omega * gap**2).sum() + PSEUDO)
        return replace(
            fit,
            vectors=vectors @ turn,
            vector_covs=np.asarray(turn.T @ covs @ turn, np.float32),
            text_vectors=np.asarray(self.to_text @ vectors @ turn, np.float32),
            reward_scale=float(scale),
            reward_spread=max(fit.reward_spread * float(np.sqrt(spread[0, 0])), SMALLEST_SPREAD),
            position_spread=max(fit.position_spread * float(np.sqrt(spread[1, 1])), SMALLEST_SPREAD),
        )

    def _fixed(self, data: _Blocks, fit: FactorFit) -> tuple[Array, Array]:
        """Pooled reward difference and the part of the margin that is common to all annotators, in blocks."""
        gap = data.spread(self.rewards[:, None])[..., 0]
        return gap, fit.reward_scale * gap + fit.position * data.side - data.lead

    def _solve(
        self, data: _Blocks, omega: Array, second: Array, target: Array, start: Array, preconditioner: Array
    ) -> Array:
        """Item vectors from their joint normal equations, by preconditioned conjugate gradients."""
        of_block = second[data.owner]

        def apply(x: Array) -> Array:
            return data.gather(omega[..., None] * (data.spread(x) @ of_block)) + self.config.vector_precision * x

        x = start
        residual = target - apply(x)
        step = direction = np.asarray((preconditioner @ residual[..., None])[..., 0], np.float32)
        size = float((residual * step).sum())
        for _ in range(CONJUGATE_STEPS):
            image = apply(direction)
            rate = size / max(float((direction * image).sum()), 1e-12)
            x, residual = x + rate * direction, residual - rate * image
            step = np.asarray((preconditioner @ residual[..., None])[..., 0], np.float32)
            size, before = float((residual * step).sum()), size
            direction = step + size / max(before, 1e-12) * direction
        return x.astype(np.float32)


def _leading(table: sparse.coo_array | sparse.csr_array, count: int) -> tuple[Array, Array]:
    """The largest singular values, (R,), and their directions, (R, N): R is ``count``, or 1 for a single row or column."""
    if count < min(table.shape):
        _, values, directions = svds(table, k=count, v0=_begin(min(table.shape)))
    else:
        _, values, directions = np.linalg.svd(table.toarray(), full_matrices=False)
    return np.asarray(values[:count], np.float32), np.asarray(directions[:count], np.float32)


def _begin(size: int) -> Array:
    """A starting vector for the decomposition. Constant it must not be: the table takes every constant to nought."""
    return np.cos(np.arange(size, dtype=np.float32))


@dataclass(frozen=True, slots=True)
class _Tastes:
    """mean (U, Z) and second moment (U, Z, Z) of z."""

    mean: Array
    second: Array


class _Blocks:
    """Judgments sorted by annotator and cut into B blocks of BLOCK rows, padded with rows of no weight."""

    def __init__(self, comparisons: Comparisons, responses: int) -> None:
        self.responses = responses
        order = np.argsort(comparisons.annotator, kind="stable")
        names, self.counts = np.unique(comparisons.annotator, return_counts=True)
        blocks = -(-self.counts // BLOCK)
        self.owner = np.repeat(np.arange(len(names)), blocks)
        self.first = np.cumsum(blocks) - blocks
        within = np.arange(len(self.owner)) - self.first[self.owner]
        begin = (np.cumsum(self.counts) - self.counts)[self.owner] + within * BLOCK
        left = self.counts[self.owner] - within * BLOCK
        lanes = np.arange(BLOCK)[None, :]
        valid = lanes < left[:, None]
        rows = order[np.where(valid, begin[:, None] + lanes, 0)]
        self.a, self.b = comparisons.a[rows], comparisons.b[rows]
        leaning, weight = comparisons.evidence
        self.weight = np.where(valid, weight[rows], 0).astype(np.float32)
        self.half = (0.5 * leaning[rows] * self.weight).astype(np.float32)
        self.side = comparisons.side[rows]
        self.lead = comparisons.leads[rows]
        self.incidence = self._matrix(
            np.ones(self.a.size), -np.ones(self.a.size), np.arange(self.a.size), self.a.size
        ).T.tocsr()

    def _matrix(self, of_a: NDArray[Any], of_b: NDArray[Any], rows: Ints, height: int) -> sparse.csr_array:
        entries = np.concatenate([of_a, of_b]).astype(np.float32)
        where = (np.concatenate([rows, rows]), np.concatenate([self.a.ravel(), self.b.ravel()]))
        return sparse.csr_array((entries, where), shape=(height, self.responses))

    def spread(self, x: Array) -> Array:
        """x_a − x_b for every row, (N, k) to (B, BLOCK, k)."""
        return x[self.a] - x[self.b]

    def gather(self, y: Array) -> Array:
        """The transpose of ``spread``, (B, BLOCK, k) to (N, k)."""
        return np.asarray(self.incidence @ y.reshape(-1, y.shape[2]), np.float32)

    def sum(self, x: Array) -> Array:
        """Blocks to annotators."""
        return np.add.reduceat(x, self.first, axis=0)

    def by_annotator(self, values: Array) -> sparse.csr_array:
        """Signed values (B, BLOCK) summed over annotator and response, (U, N)."""
        flat = values.ravel()
        return self._matrix(flat, -flat, np.repeat(self.owner, BLOCK), len(self.counts))

    def _weights(self, omega: Array) -> sparse.csr_array:
        flat = omega.ravel()
        return self._matrix(flat, flat, np.repeat(self.owner, BLOCK), len(self.counts))

    def item_sum(self, omega: Array, covs: Array) -> Array:
        """Σ ω (C_a + C_b) over each annotator's rows, (U, k, k)."""
        flat = self._weights(omega) @ covs.reshape(len(covs), -1)
        return np.asarray(flat, np.float32).reshape(-1, *covs.shape[1:])

    def item_curvature(self, omega: Array, second: Array) -> Array:
        """Σ ω E[zzᵀ] over each response's rows, (N, k, k)."""
        flat = self._weights(omega).T @ second.reshape(len(second), -1)
        return np.asarray(flat, np.float32).reshape(-1, *second.shape[1:])

    def item_trace(self, second: Array, covs: Array) -> Array:
        """tr(E[zzᵀ](C_a + C_b)) for every row, (B, BLOCK)."""
        flat, of_annotator = covs.reshape(len(covs), -1), second.reshape(len(second), -1)
        traces = np.empty(self.a.shape, np.float32)
        for start in range(0, len(self.owner), SLICE):
            rows = slice(start, start + SLICE)
            both = flat[self.a[rows]] + flat[self.b[rows]]
            traces[rows] = (both @ of_annotator[self.owner[rows]][..., None])[..., 0]
        return traces
