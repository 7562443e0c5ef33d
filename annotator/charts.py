"""Geometry of the charts that templates draw as SVG: whole numbers, so that no locale changes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM = 34, 6, 10, 22
"""Room around the bars for the axes' words."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One stacked bar: the lower part stands on the axis, the upper part on it."""

    x: int
    width: int
    lower_y: int
    lower_height: int
    upper_y: int
    upper_height: int
    label: str
    """Below the axis; empty for most."""

    @property
    def middle(self) -> int:
        return self.x + self.width // 2


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid with its value."""

    y: int
    value: int


@dataclass(frozen=True, slots=True)
class BarChart:
    """Stacked bars over a grid, in a box of ``width`` × ``height``."""

    width: int
    height: int
    bars: list[Bar]
    grid: list[Line]

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def label_y(self) -> int:
        return self.height - 5


def bar_chart(
    lower: Sequence[int], upper: Sequence[int], labels: Sequence[str], *, width: int, height: int, every: int
) -> BarChart:
    """Bars of ``lower`` with ``upper`` on top, the label of each ``every``-th one below it."""
    top = nice_ceiling(max((a + b for a, b in zip(lower, upper, strict=True)), default=0))
    floor, scale = height - BOTTOM, (height - BOTTOM - TOP) / top
    step = (width - LEFT - RIGHT) / max(len(lower), 1)
    bars = []
    for n, (a, b) in enumerate(zip(lower, upper, strict=True)):
        low, high = _height(a, scale), _height(b, scale)
        x, end = round(LEFT + n * step), round(LEFT + (n + 1) * step - max(1.0, step / 5))
        label = labels[n] if n % every == 0 else ""
        bars.append(Bar(x, max(end - x, 1), floor - low, low, floor - low - high, high, label))
    grid = [Line(round(floor - value * scale), value) for value in sorted({0, top // 2, top})]
    return BarChart(width, height, bars, grid)


def nice_ceiling(most: int) -> int:
    """The least of 2, 4, 6, 8, 10, 20, 30, 40, 60, 80, 100 … that is not below ``most``, so that its half is whole."""
    most = max(most, 2)
    power = int(10 ** math.floor(math.log10(most)))
    steps = (1, 2, 3, 4, 6, 8, 10) if power > 1 else (2, 4, 6, 8, 10)
    return next(step * power for step in steps if step * power >= most)


def on_strip(share: float, width: int) -> int:
    """Where a share stands on a strip of this width that is 2 wide at either end."""
    return round(2 + min(max(share, 0.0), 1.0) * (width - 4))


def _height(count: int, scale: float) -> int:
    """At least 1 where there is anything."""
    return max(1, round(count * scale)) if count else 0
