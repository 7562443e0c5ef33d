"""The variational fit: blocks by hand, and a known world found again."""

from __future__ import annotations

import numpy as np
import pytest

from attune.rewards.factors import FactorConfig, FactorTrainer, _Blocks
from attune.rewards.indexing import Comparisons
from attune.rewards.pooled import fit_pooled


def columns(annotator: list[int], a: list[int], b: list[int], outcome: list[int]) -> Comparisons:
    count = len(a)
    return Comparisons(
        np.array(annotator),
        np.array(a),
        np.array(b),
        np.array(outcome),
        np.ones(count, np.float32),
        np.ones(count, np.float32),
        np.zeros(count, np.bool_),
        max(annotator) + 1,
    )


def test_blocks_by_hand() -> None:
    said = columns([1, 0, 1] + [1] * 33, [0, 1, 2] + [0] * 33, [1, 2, 0] + [2] * 33, [1, 0, -1] + [1] * 33)
    blocks = _Blocks(said, 3)
    assert blocks.owner.tolist() == [0, 1, 1, 1]
    assert blocks.weight.sum() == 36
    x = np.array([[1.0], [10.0], [100.0]], np.float32)
    gaps = blocks.spread(x)[..., 0] * blocks.weight
    assert blocks.sum(gaps).sum(axis=1).tolist() == [-90, -9 + 99 - 33 * 99]
    ones = blocks.weight[..., None]
    assert blocks.gather(ones)[:, 0].tolist() == [1 + 33 - 1, -1 + 1, 1 - 1 - 33]
    assert blocks.by_annotator(blocks.half).toarray().tolist() == [[0, 0, 0], [17.5, -0.5, -17.0]]


def test_covariances_are_summed_over_both_responses() -> None:
    blocks = _Blocks(columns([0, 0], [0, 1], [1, 2], [1, 1]), 3)
    covs = np.array([[[1.0]], [[2.0]], [[4.0]]], np.float32)
    omega = np.where(blocks.weight > 0, np.float32(0.5), np.float32(0))
    assert blocks.item_sum(omega, covs).tolist() == [[[0.5 * (1 + 2) + 0.5 * (2 + 4)]]]
    assert blocks.item_trace(np.array([[[3.0]]], np.float32), covs)[0, :2].tolist() == [9, 18]
    assert blocks.item_curvature(omega, np.array([[[3.0]]], np.float32))[:, 0, 0].tolist() == [1.5, 3, 1.5]


def test_two_camps_are_found() -> None:
    """Half the people like response 0 to 9 in order, half the reverse: nothing in common, one direction of taste."""
    rng = np.random.default_rng(0)
    value = np.linspace(-1, 1, 10)
    rows = []
    for person in range(60):
        camp = 1 if person % 2 else -1
        for _ in range(20):
            a, b = rng.choice(10, 2, replace=False)
            wins = rng.random() < 1 / (1 + np.exp(-4 * camp * (value[a] - value[b])))
            rows.append((person, int(a), int(b), 1 if wins else -1))
    said = columns(*(list(column) for column in zip(*rows, strict=True)))
    mapped = np.zeros((10, 1), np.float32)
    pooled = fit_pooled(said, mapped)
    losses: list[float] = []
    fit = FactorTrainer(mapped, pooled, FactorConfig(rank=2)).run(said, 15, lambda _, loss: losses.append(loss))
    assert np.abs(pooled.rewards(mapped)).max() < 1
    sizes = np.linalg.norm(fit.vectors, axis=0)
    main = fit.vectors[:, int(np.argmax(sizes))]
    assert abs(np.corrcoef(main, value)[0, 1]) > 0.97
    assert losses[-1] < losses[0] < np.log(2) + 0.05
    assert fit.vector_covs.shape == (10, 2, 2)
    assert np.linalg.eigvalsh(fit.vector_covs).min() > 0


def test_a_later_run_goes_on_from_the_first() -> None:
    rng = np.random.default_rng(1)
    count = 400
    a = rng.integers(0, 8, count)
    said = columns(
        rng.integers(0, 20, count).tolist(), a.tolist(), ((a + 1) % 8).tolist(), rng.choice([-1, 0, 1], count).tolist()
    )
    mapped = rng.standard_normal((8, 3)).astype(np.float32)
    pooled = fit_pooled(said, mapped)
    whole = FactorTrainer(mapped, pooled, FactorConfig(rank=2)).run(said, 6, lambda *_: None)
    first = FactorTrainer(mapped, pooled, FactorConfig(rank=2)).run(said, 4, lambda *_: None)
    second = FactorTrainer(mapped, pooled, FactorConfig(rank=2), first).run(said, 2, lambda *_: None)
    assert np.abs(second.vectors - whole.vectors).max() < 0.05
    assert second.reward_scale == pytest.approx(whole.reward_scale, abs=0.05)
