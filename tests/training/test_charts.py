from __future__ import annotations

import re
from itertools import pairwise

import pytest

from training.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, accuracy_chart, loss_chart
from training.figures import Figure


def figure(accuracy: float, se: float = 0.01) -> Figure:
    return Figure(accuracy, se, 0.5, 0.01, 0.02, 20, 300)


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]


def test_accuracy_stands_beside_the_pooled_line() -> None:
    chart = accuracy_chart({0: figure(0.6), 4: figure(0.7), 8: figure(0.8)}, figure(0.6))

    assert chart
    pooled, personal = chart.lines
    assert (pooled.name, pooled.kind, personal.name, personal.kind) == ("pooled", "pool", "personal", "model")
    assert len({y for _, y in points(pooled.path)}) == 1, "level"
    xs, ys = zip(*points(personal.path), strict=True)
    assert xs == (LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT), "evenly spaced"
    assert ys[0] == points(pooled.path)[0][1]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.2)
    assert [tick.label for tick in chart.columns] == ["0", "4", "8"]


def test_the_axis_is_in_round_steps_and_holds_the_band() -> None:
    chart = accuracy_chart({0: figure(0.61, 0.02), 8: figure(0.78, 0.02)}, None)

    assert chart
    assert [tick.label for tick in chart.rows] == ["50 %", "60 %", "70 %", "80 %", "90 %"]
    band = points(chart.lines[0].band)
    assert len(band) == 4
    assert all(TOP <= y <= HEIGHT - BOTTOM for _, y in band)
    top, bottom = band[0][1], band[3][1]
    assert bottom - top == pytest.approx((HEIGHT - TOP - BOTTOM) * 2 * 2.093 * 0.02 / 0.4, abs=0.3)


def test_labels_do_not_cover_each_other() -> None:
    chart = accuracy_chart({0: figure(0.6), 8: figure(0.605)}, figure(0.6))
    assert chart
    places = sorted(line.label_y for line in chart.lines)
    assert all(second - first >= 14.9 for first, second in pairwise(places))


def test_one_point_is_no_line() -> None:
    assert accuracy_chart({8: figure(0.6)}, figure(0.6)) is None
    assert loss_chart([(1, 0.5)]) is None


def test_a_level_loss_can_be_drawn() -> None:
    chart = loss_chart([(0, 0.5), (10, 0.5)])
    assert chart
    assert len({y for _, y in points(chart.lines[0].path)}) == 1
    assert [tick.label for tick in chart.columns] == ["0", "5", "10"]


def test_a_falling_loss_goes_down() -> None:
    chart = loss_chart([(1, 0.7), (50, 0.4), (100, 0.3)])
    assert chart
    ys = [y for _, y in points(chart.lines[0].path)]
    assert ys == sorted(ys)
    assert [tick.label for tick in chart.rows] == ["0.3", "0.4", "0.5", "0.6", "0.7"]
