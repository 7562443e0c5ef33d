"""Figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from attune.metrics import (
    SPREADS,
    calibration_error,
    correct,
    hits_distribution,
    interval_coverage,
    log_losses,
    person_spread,
    standard_error,
    summarise,
)


def test_a_model_without_opinion_is_half_right() -> None:
    assert correct(np.array([0.5, 0.7, 0.7]), np.array([1, 1, -1])).tolist() == [0.5, 1.0, 0.0]


def test_log_loss_by_hand() -> None:
    assert log_losses(np.array([0.8, 0.8]), np.array([1, -1])) == pytest.approx([-np.log(0.8), -np.log(0.2)])


def test_calibration_error_by_hand() -> None:
    p = np.array([0.9] * 10)
    assert calibration_error(p, np.array([1] * 9 + [-1])) == pytest.approx(0, abs=1e-9)
    assert calibration_error(p, np.array([1] * 6 + [-1] * 4)) == pytest.approx(0.3)
    assert calibration_error(1 - p, np.array([-1] * 6 + [1] * 4)) == pytest.approx(0.3)


def test_macro_counts_annotators_and_micro_counts_judgments() -> None:
    p = [np.full(4, 0.9), np.full(8, 0.9), np.full(2, 0.9)]
    y = [np.array([1, 1, 1, 1]), np.array([1] * 4 + [-1] * 4), np.array([-1, -1])]
    summary = summarise(p, y)
    assert summary is not None
    assert (summary.macro, summary.micro) == (0.75, pytest.approx(8 / 12))
    assert (summary.n_annotators, summary.n) == (2, 12)
    assert summary.macro_se == pytest.approx(0.25)


def test_nobody_with_enough_judgments_is_no_summary() -> None:
    assert summarise([np.full(3, 0.9)], [np.ones(3)]) is None


def test_one_value_has_no_spread() -> None:
    assert standard_error(np.array([3.0])) == 0.0


def test_how_many_come_true_by_hand() -> None:
    assert hits_distribution(np.array([0.5, 0.5])) == pytest.approx([0.25, 0.5, 0.25])
    assert hits_distribution(np.array([0.9, 0.2])) == pytest.approx(
        [0.1 * 0.2, 0.9 * 0.2 + 0.1 * 0.8, 0.9 * 0.8], abs=1e-5
    )
    spread = hits_distribution(np.array([0.8, 0.8]), 1.0)
    assert spread.sum() == pytest.approx(1)
    assert spread[0] > 0.04 + 0.01  # people who are all wrong are commoner where people differ


def test_intervals_of_honest_predictions_hold_nine_in_ten() -> None:
    rng = np.random.default_rng(0)
    p = [rng.uniform(0.05, 0.95, 30) for _ in range(400)]
    y = [np.where(rng.random(30) < each, 1, -1) for each in p]
    assert interval_coverage(p, y) == pytest.approx(0.9, abs=0.03)
    assert interval_coverage(p, [-each for each in y]) < 0.3  # type: ignore[operator]
    assert interval_coverage(p[:1], [y[0][:0]]) is None
    assert person_spread(p, y) <= 0.2


def test_people_who_differ_in_predictability_need_wider_intervals() -> None:
    rng = np.random.default_rng(1)
    p = [np.full(30, 0.8) for _ in range(400)]
    shifted = [1 / (1 + np.exp(-(np.log(4) + rng.normal()))) for _ in p]
    y = [np.where(rng.random(30) < each, 1, -1) for each in shifted]
    spread = person_spread(p, y)
    assert spread == pytest.approx(1.0, abs=0.2)
    assert interval_coverage(p, y) < 0.75 < 0.86 < interval_coverage(p, y, spread=spread)  # type: ignore[operator]


def test_the_spread_is_the_one_under_which_intervals_hold_unless_people_are_too_few_to_tell() -> None:
    rng = np.random.default_rng(2)
    p = [np.full(20, 0.8) for _ in range(400)]
    careless = rng.random(400) < 0.15  # who answer at random: nothing that a bell of predictabilities describes
    y = [np.where(rng.random(20) < (0.5 if each else 0.8), 1, -1) for each in careless]
    assert interval_coverage(p, y, spread=person_spread(p, y)) == pytest.approx(0.9, abs=0.01)
    assert person_spread(p[:5], y[:5]) in SPREADS
