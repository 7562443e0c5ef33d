from __future__ import annotations

import math

import pytest

from training import figures
from training.figures import Difference, Figure

METRICS = {
    "pooled_accuracy": 0.65,
    "pooled_accuracy_se": 0.02,
    "pooled_log_loss": 0.62,
    "pooled_log_loss_se": 0.01,
    "pooled_ece": 0.03,
    "pooled_annotators": 20.0,
    "pooled_judgments": 300.0,
}
PERSONAL = {name.replace("pooled", "personal_8"): value for name, value in METRICS.items()} | {
    "personal_8_gain": 0.08,
    "personal_8_gain_se": 0.01,
}


def test_figures_are_read_back() -> None:
    pooled = figures.pooled(METRICS | PERSONAL)
    assert pooled == Figure(0.65, 0.02, 0.62, 0.01, 0.03, 20, 300)
    assert figures.personal(METRICS | PERSONAL) == {
        8: Figure(0.65, 0.02, 0.62, 0.01, 0.03, 20, 300, Difference(0.08, 0.01, 20))
    }


def test_shots_are_in_order_of_number_not_of_name() -> None:
    metrics = {name.replace("_8_", f"_{n}_"): value for n in (16, 4, 64, 0) for name, value in PERSONAL.items()}
    assert list(figures.personal(metrics)) == [0, 4, 16, 64]


def test_nothing_held_out_is_nothing() -> None:
    assert figures.pooled({}) is None
    assert figures.personal({}) == {}
    assert figures.at({}, 8) is None


def test_a_pooled_model_has_one_figure_for_all_shots() -> None:
    assert figures.at(METRICS, 8) == figures.pooled(METRICS)
    assert figures.at(METRICS | PERSONAL, 4) is None


def test_the_interval_is_students() -> None:
    """Of 20 people: t with 19 degrees of freedom, 2.093."""
    figure = figures.pooled(METRICS)
    assert figure
    assert (figure.low, figure.high) == pytest.approx((0.65 - 2.093 * 0.02, 0.65 + 2.093 * 0.02), abs=1e-4)


def test_an_interval_stays_within_0_and_1() -> None:
    figure = Figure(0.98, 0.05, 0.1, 0.1, 0.0, 3, 20)
    assert figure.high == 1.0


def test_one_person_says_nothing_of_others() -> None:
    figure = Figure(0.9, 0.0, 0.1, 0.0, 0.0, 1, 20)
    assert (figure.low, figure.high) == (0.0, 1.0)
    assert math.isinf(Difference(0.3, 0.0, 1).margin)


@pytest.mark.parametrize(
    ("difference", "certain"),
    [
        (Difference(0.05, 0.02, 20), True),
        (Difference(-0.05, 0.02, 20), True),
        (Difference(0.04, 0.02, 20), False),
        (Difference(0.5, 0.0, 4), False),
        (Difference(0.5, 0.1, 5), True),
    ],
)
def test_certain_is_more_than_chance_and_enough_people(difference: Difference, certain: bool) -> None:
    assert difference.certain is certain


def test_changes_between_versions_count_both_errors() -> None:
    before = Figure(0.70, 0.03, 0.60, 0.01, 0.0, 20, 300)
    after = Figure(0.75, 0.04, 0.55, 0.02, 0.0, 12, 200)
    assert figures.accuracy_change(before, after) == Difference(pytest.approx(0.05), pytest.approx(0.05), 12)
    assert figures.log_loss_change(before, after).value == pytest.approx(0.05), "lower is better"
