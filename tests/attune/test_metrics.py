"""Figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from attune.metrics import calibration_error, correct, log_losses, standard_error, summarise


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
