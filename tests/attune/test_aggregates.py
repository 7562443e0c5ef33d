"""Several rewards as one: hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from attune.errors import BadData
from attune.rewards.aggregates import across, chance_of_first, combined, squashed
from attune.rewards.base import Scores

MEMBERS = Scores(np.array([[1.0, 4.0], [3.0, 0.0]], np.float32), np.array([[0.5, 0.1], [0.5, 0.3]], np.float32))


def test_mean_takes_in_what_members_are_unsure_of_and_how_they_differ() -> None:
    found = combined(MEMBERS, "mean")
    assert found.mean.tolist() == [2.0, 2.0]
    assert found.std.tolist() == pytest.approx([(0.25 + 1.0) ** 0.5, (0.05 + 4.0) ** 0.5])


def test_worst_case_is_the_least_member_with_its_own_deviation() -> None:
    found = combined(MEMBERS, "wco")
    assert found.mean.tolist() == [1.0, 0.0]
    assert found.std.tolist() == pytest.approx([0.5, 0.3])


def test_uncertainty_weighted_takes_the_variance_off() -> None:
    assert combined(MEMBERS, "uwo", penalty=0.5).mean.tolist() == [1.5, 0.0]
    assert combined(MEMBERS, "uwo", penalty=0.0).mean.tolist() == combined(MEMBERS, "mean").mean.tolist()


def test_no_member_is_refused() -> None:
    with pytest.raises(BadData, match="at least one member"):
        combined(Scores(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)), "mean")


def test_across_people() -> None:
    mean, spread = across(MEMBERS, "mean")
    assert mean.mean.tolist() == [2.0, 2.0]
    assert mean.std.tolist() == pytest.approx([0.5 / 2**0.5, 0.1**0.5 / 2])
    assert spread.tolist() == [1.0, 2.0]
    assert across(MEMBERS, "worst")[0].mean.tolist() == [1.0, 0.0]


def test_squashed() -> None:
    found = squashed(Scores(np.array([0.0], np.float32), np.array([0.4], np.float32)))
    assert (found.mean.tolist(), found.std.tolist()) == ([0.5], pytest.approx([0.1]))


def test_chance_of_first_of_two_is_the_normal_distribution() -> None:
    """r₁ − r₀ ~ N(1, 4): P(r₁ > r₀) = Φ(½)."""
    chances = chance_of_first(np.array([0.0, 1.0]), np.array([[0.0, 0.0], [0.0, 4.0]]), draws=20_000)
    assert chances[1] == pytest.approx(0.6915, abs=0.01)
    assert chances.sum() == pytest.approx(1.0)


def test_chance_of_first_knows_that_equal_texts_go_together() -> None:
    """Two copies of an uncertain text share its luck: neither beats the certain one more often than the other."""
    covariance = np.array([[0.0, 0, 0], [0, 4.0, 4.0], [0, 4.0, 4.0]])
    chances = chance_of_first(np.array([0.0, 0.0, 0.0]), covariance, draws=20_000)
    assert chances[0] == pytest.approx(0.5, abs=0.02)
