"""Geometry of the drawings on our pages. Templates write the SVG; here are only numbers and paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

Z80 = 1.2816
"""Half of an 80 % interval of a Gaussian, in standard deviations."""

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 68, 12, 28
LABEL = 16


@dataclass(frozen=True, slots=True)
class Whisk:
    """An estimate with its interval on a rail from 0 to 100."""

    at: float
    start: float
    width: float

    @property
    def end(self) -> float:
        return self.start + self.width


def whisk(at: float, start: float, end: float, low: float, high: float) -> Whisk:
    """``at`` with its interval, on a rail from ``low`` to ``high``; what lies outside is drawn at the end."""

    def place(value: float) -> float:
        return round(min(100.0, max(0.0, 100 * (value - low) / (high - low))), 1)

    return Whisk(place(at), place(start), round(place(end) - place(start), 1))


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class ShareChart:
    """Two shares over a count, one of them with a band: SVG paths, ticks, and where the lines end."""

    own: str
    band: str
    pooled: str
    own_label: float
    pooled_label: float
    ticks: list[Tick]
    counts: list[Tick]
    end: float = WIDTH - RIGHT
    start: float = LEFT
    base: float = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class SharePoint:
    """After ``count`` judgments: the personal model's share with its interval, and the pooled model's."""

    count: int
    own: float
    low: float
    high: float
    pooled: float


def share_chart(points: Sequence[SharePoint]) -> ShareChart:
    """The lines of one point or more. The share's axis holds all values, in steps of ten per cent."""
    floor = min(0.4, *(10 * min(p.low, p.pooled) // 1 / 10 for p in points))
    first, last = points[0].count, points[-1].count

    def x(count: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (count - first) / max(last - first, 1)

    def y(share: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share) / (1 - floor)

    steps = [each / 10 for each in range(round(10 * floor), 11, 2 if floor <= 0.4 else 1)]
    middle = points[len(points) // 2].count
    upper, lower = [(x(p.count), y(p.high)) for p in points], [(x(p.count), y(p.low)) for p in reversed(points)]
    own_label, pooled_label = _apart(y(points[-1].own), y(points[-1].pooled))
    return ShareChart(
        own=line([(x(p.count), y(p.own)) for p in points]),
        band=line([*upper, *lower]) + "Z",
        pooled=line([(x(p.count), y(p.pooled)) for p in points]),
        own_label=own_label,
        pooled_label=pooled_label,
        ticks=[Tick(round(y(step), 1), f"{round(100 * step)} %") for step in steps],
        counts=[Tick(round(x(count), 1), str(count)) for count in dict.fromkeys((first, middle, last))],
    )


def _apart(own: float, pooled: float) -> tuple[float, float]:
    """Heights of two labels that would otherwise lie on each other."""
    middle, half = (own + pooled) / 2, max(abs(own - pooled), LABEL) / 2
    return (middle - half, middle + half) if own <= pooled else (middle + half, middle - half)


def line(points: Sequence[tuple[float, float]]) -> str:
    """An SVG path through the points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def wilson(right: float, n: int, z: float = Z80) -> tuple[float, float]:
    """Wilson's interval of a share (1927), 80 % unless told; it stays within 0 and 1 at small ``n``."""
    share, shrink = right / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / shrink
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    return middle - half, middle + half


SLOPE_COLUMN, SLOPE_ROW, SLOPE_TOP, SLOPE_END = 128, 38, 44, 20


@dataclass(frozen=True, slots=True)
class SlopeLine:
    """One response's places over the columns."""

    label: str
    path: str
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class SlopeChart:
    """The places of the same responses in several orders, one column an order, first place on top."""

    columns: list[Tick]
    lines: list[SlopeLine]
    width: int
    height: int


def slope_chart(orders: Sequence[tuple[str, str]], labels: str) -> SlopeChart:
    """``orders`` holds each column's name and its labels from first to last, one letter each."""
    columns = [Tick(SLOPE_COLUMN * (number + 0.5), name) for number, (name, _) in enumerate(orders)]
    lines = []
    for label in labels:
        heights = [SLOPE_TOP + SLOPE_ROW * order.index(label) for _, order in orders]
        points = [(column.at, float(height)) for column, height in zip(columns, heights, strict=True)]
        lines.append(SlopeLine(label, line(points), points))
    return SlopeChart(columns, lines, SLOPE_COLUMN * len(orders), SLOPE_TOP + SLOPE_ROW * (len(labels) - 1) + SLOPE_END)
