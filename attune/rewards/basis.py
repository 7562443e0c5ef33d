"""Items of ``hybrid``: what factors, classes and text say of the responses, in few coordinates that they share.

Each source of taste is a block of columns: item vectors of the factor fits, shifts of the classes, and mapped features. Their leading
principal directions are the coordinates y; a taste in terms of a block becomes a weight on y, and a prior over such tastes a
covariance or a set of weights. So an item stays short however many models were averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.rewards.base import Array
from attune.rewards.classes import ClassFit
from attune.rewards.factors import FactorFit
from attune.rewards.indexing import Ints
from attune.rewards.pooled import PooledFit

TEXT_RIDGE = 10.0
LEAST_SPREAD = 0.01


@dataclass(frozen=True, slots=True)
class Basis:
    """table (N, K) and text_weights (F, K) of items (b, a, y, known, number). doubt: see ``attune.rewards.tastes``. factor_cov, text_cov and reading_cov (R, R): what a unit
    prior over factors, over mapped features, and over what reasons read in these, is as a prior of w. The classes as in ``attune.rewards.tastes.Community``."""

    table: Array
    text_weights: Array
    factor_cov: Array
    text_cov: Array
    reading_cov: Array
    class_weights: Array
    class_center: Array
    class_log_prior: Array
    class_model: NDArray[np.int64]
    doubt: float


def build_basis(
    mapped: Array,
    groups: Ints,
    pooled: PooledFit,
    accepted: PooledFit | None,
    factors: Sequence[FactorFit],
    classes: Sequence[ClassFit],
    *,
    alone: NDArray[np.bool_],
    spreads: tuple[float, float, float],
    precision: float,
    width: int,
    readings: Array | None = None,
) -> Basis:
    """The items and priors of one set of fits. mapped (N, F), groups (N,). The ``width`` directions are kept in which tastes
    differ most, given the ``spreads`` of weights on factors, on mapped features and on ``readings`` (F, D) of these
    (``attune.rewards.readings``). precision: that of an item vector around its text.
    Responses that stand ``alone`` (N,) are known by their text, as unseen ones are.

    ``accepted`` is the pooled fit on verdicts, whose rows N + group are thresholds; None where judgments are read as comparisons.
    """
    count, features = mapped.shape
    thresholds = count + groups if accepted is not None else None
    of_factor, of_feature = (max(each, LEAST_SPREAD) for each in spreads[:2])
    read = spreads[2] * (np.zeros((features, 0)) if readings is None or not spreads[2] else readings)
    share = of_factor / np.sqrt(max(len(factors), 1))
    sources = [
        *_of_factors(factors, thresholds, count, share),
        *_of_classes(classes, thresholds, mapped),
        _Source(of_feature * mapped, of_feature * np.eye(features)),
        _Source(mapped @ read, read),
    ]
    columns = np.concatenate([each.columns for each in sources], axis=1).astype(np.float64)
    directions = _leading(columns, width)
    shared = columns @ directions
    text_shared = np.concatenate([each.of_text for each in sources], axis=1) @ directions
    parts = np.split(directions, np.cumsum([each.columns.shape[1] for each in sources])[:-1])
    of_factors = np.concatenate([np.zeros((0, directions.shape[1])), *parts[: len(factors)]])
    *of_classes, of_text, of_readings = parts[len(factors) :]
    tastes = _tastes(of_classes, classes, directions.shape[1])
    rewards = _rewards(mapped, groups, pooled, accepted)
    if accepted is not None and classes:  # what the community accepts is the better known with its groups in view
        rewards = _with_groups(rewards, shared, text_shared, tastes.middle)
    doubt = share**2 * sum(fit.vectors.shape[1] for fit in factors) / precision
    left = np.zeros(count) + share**2 * sum(_doubts(fit, thresholds, count) for fit in factors)
    table, text_weights = _items(mapped, rewards, shared, text_shared, np.clip(doubt - left, 0, None), alone)
    return Basis(
        table=table,
        text_weights=text_weights,
        factor_cov=(of_factors.T @ of_factors / of_factor**2).astype(np.float32),
        text_cov=(of_text.T @ of_text / of_feature**2).astype(np.float32),
        reading_cov=(of_readings.T @ of_readings / max(spreads[2], LEAST_SPREAD) ** 2).astype(np.float32),
        class_weights=(tastes.weights - tastes.center).astype(np.float32),
        class_center=tastes.center.astype(np.float32),
        class_log_prior=np.concatenate([np.zeros(0, np.float32), *(each.log_prior for each in classes)]),
        class_model=np.repeat(np.arange(len(classes)), [len(each.log_prior) for each in classes]).astype(np.int64),
        doubt=float(doubt),
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """One source of taste: columns (N, C) of the responses, and of_text (F, C), what mapped features say of them."""

    columns: NDArray[Any]
    of_text: NDArray[Any]


def _of_factors(factors: Sequence[FactorFit], thresholds: Ints | None, count: int, share: float) -> Iterator[_Source]:
    for fit in factors:
        yield _Source(share * _less(fit.vectors, thresholds, count), share * fit.text_vectors)


def _of_classes(classes: Sequence[ClassFit], thresholds: Ints | None, mapped: Array) -> Iterator[_Source]:
    count, features = mapped.shape
    to_text = np.linalg.solve(mapped.T @ mapped + TEXT_RIDGE * np.eye(features), mapped.T)
    root = np.sqrt(max(len(classes), 1))
    for fit in classes:
        yield _Source(_less(fit.shifts, thresholds, count) / root, to_text @ fit.shifts[:count] / root)


@dataclass(frozen=True, slots=True)
class _Tastes:
    """The classes' tastes in the basis: weights (R, J), each with its model's mean as center (R, J); middle (R,): the mean of all."""

    weights: NDArray[np.float64]
    center: NDArray[np.float64]
    middle: NDArray[np.float64]


def _tastes(parts: Sequence[NDArray[np.float64]], classes: Sequence[ClassFit], size: int) -> _Tastes:
    """parts, each (J of a model, R = ``size``): the rows of the directions that belong to it."""
    if not classes:
        return _Tastes(np.zeros((size, 0)), np.zeros((size, 0)), np.zeros(size))
    weights = [np.sqrt(len(classes)) * part.T for part in parts]
    centers = [own @ np.exp(fit.log_prior.astype(np.float64)) for own, fit in zip(weights, classes, strict=True)]
    spread = [np.tile(center[:, None], (1, own.shape[1])) for center, own in zip(centers, weights, strict=True)]
    return _Tastes(np.concatenate(weights, axis=1), np.concatenate(spread, axis=1), np.mean(centers, axis=0))


def _rewards(
    mapped: Array, groups: Ints, pooled: PooledFit, accepted: PooledFit | None
) -> tuple[Array, Array, Array, Array]:
    """b and a of the responses, (N,) each, and of mapped features, (F,) each."""
    reward = pooled.rewards(mapped)
    if accepted is None:
        return reward, reward, pooled.text, pooled.text
    base = mapped @ accepted.text + accepted.item[: len(mapped)] - accepted.item[len(mapped) + groups]
    return reward, base, pooled.text, accepted.text


def _items(
    mapped: Array,
    rewards: tuple[Array, Array, Array, Array],
    shared: NDArray[np.float64],
    text_shared: NDArray[np.float64],
    known: NDArray[np.float64],
    alone: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """``Basis.table`` and ``Basis.text_weights``."""
    reward, base, text_reward, text_base = rewards
    unknown = np.zeros((mapped.shape[1], 2))
    text_weights = np.column_stack([text_reward, text_base, text_shared, unknown]).astype(np.float32)
    table = np.column_stack([reward, base, shared, known, np.zeros(len(mapped))]).astype(np.float32)
    table[alone] = mapped[alone] @ text_weights
    table[:, -1] = np.arange(1, len(mapped) + 1)
    return table, text_weights


def _with_groups(
    rewards: tuple[Array, Array, Array, Array],
    shared: NDArray[np.float64],
    text_shared: NDArray[np.float64],
    middle: NDArray[np.float64],
) -> tuple[Array, Array, Array, Array]:
    """``_rewards`` whose b is the mean of itself and of what the groups accept on average."""
    reward, base, text_reward, text_base = rewards
    found = 0.5 * (reward + base + shared @ middle), 0.5 * (text_reward + text_base + text_shared @ middle)
    return np.asarray(found[0]), base, np.asarray(found[1]), text_base


def _doubts(fit: FactorFit, thresholds: Ints | None, count: int) -> Array:
    """The variance of ⟨z, q_x⟩ over tastes z ~ N(0, I) that is left by not knowing q_x better, (N,)."""
    of_rows: Array = np.trace(fit.vector_covs, axis1=1, axis2=2)
    return of_rows[:count] if thresholds is None else of_rows[:count] + of_rows[thresholds]


def _less(rows: Array, thresholds: Ints | None, count: int) -> Array:
    """Rows of responses, less those of their thresholds where there are such."""
    return rows[:count] if thresholds is None else rows[:count] - rows[thresholds]


def _leading(columns: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The leading principal directions, (columns, R), each with the sign that makes its largest entry positive."""
    values, vectors = np.linalg.eigh(columns.T @ columns)
    kept = np.flatnonzero(values > 1e-8 * max(float(values[-1]), 1e-12))[::-1][:width]
    chosen = vectors[:, kept]
    signs = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(chosen.shape[1])])
    result: NDArray[np.float64] = chosen * np.where(signs == 0, 1, signs)
    return result
