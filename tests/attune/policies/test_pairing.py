"""Which responses are compared, on numbers worked out by hand."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from attune.errors import BadData
from attune.policies.pairing import accepted, as_they_come, best_of_n, distinct, rejection_sampled, win_share

REWARDS = np.array([0.0, 2.0, 1.0, -1.0], np.float32)


def test_equal_and_empty_texts_are_left_out() -> None:
    assert distinct(["Yes.", " Yes. ", "", "No.", "  ", "yes."]) == [0, 3, 5]


def test_best_of_n_meets_others_once_each() -> None:
    pairs = best_of_n(REWARDS, 9, np.random.default_rng(0))
    assert sorted(pairs) == [(1, 0), (1, 2), (1, 3)]
    assert len(best_of_n(REWARDS, 2, np.random.default_rng(0))) == 2


def test_as_they_come_uses_each_once() -> None:
    pairs = as_they_come(5, 9, np.random.default_rng(1))
    places = [place for pair in pairs for place in pair]
    assert len(pairs) == 2
    assert len(set(places)) == 4


def test_rejection_sampling_of_few_accepts_as_counting_all_orders_says() -> None:
    """With one to be accepted: y wins where all that come before it are rejected, averaged over the 24 orders."""
    chance = np.exp((REWARDS - REWARDS.max()).astype(float))
    expected = np.zeros(4)
    for order in permutations(range(4)):
        left = 1.0
        for place in order:
            expected[place] += left * chance[place] / 24
            left *= 1 - chance[place]
    rng = np.random.default_rng(0)
    seen = Counter(accepted(REWARDS, 1, 1.0, rng)[0] for _ in range(4_000))
    found = np.array([seen[place] for place in range(4)]) / 4_000
    assert expected.sum() == pytest.approx(1)
    assert np.abs(found - expected).max() < 0.03


def test_rejection_sampling_of_many_accepts_as_the_optimal_policy_would() -> None:
    """Of a thousand candidates with equally many of each reward, one is accepted in proportion to exp(r/β)."""
    rng = np.random.default_rng(0)
    many = np.repeat(REWARDS, 250)
    seen = Counter(accepted(many, 1, 1.0, rng)[0] // 250 for _ in range(2_000))
    weights = np.exp(REWARDS.astype(float))
    found = np.array([seen[place] for place in range(4)]) / 2_000
    assert np.abs(found - weights / weights.sum()).max() < 0.04


def test_small_beta_takes_the_best_in_order_and_large_beta_any() -> None:
    assert accepted(REWARDS, 4, 1e-6, np.random.default_rng(0)) == [1, 2, 0, 3]
    assert rejection_sampled(REWARDS, 1, 1e-6, np.random.default_rng(0)) == [(1, 2)]
    firsts = {accepted(REWARDS, 1, 1e6, np.random.default_rng(seed))[0] for seed in range(40)}
    assert firsts == {0, 1, 2, 3}
    with pytest.raises(BadData, match="expected more than 0"):
        accepted(REWARDS, 1, 0.0, np.random.default_rng(0))


def test_win_share_counts_couples_and_halves_ties() -> None:
    mine, theirs = np.array([1.0, 0.0], np.float32), np.array([0.0, 2.0], np.float32)
    assert win_share(mine, theirs) == pytest.approx((1 + 0 + 0.5 + 0) / 4)
