"""The picture of an evaluation: accuracy over judgments seen, one line a model, as a stand-alone SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM, GAP = 460, 260, 54, 40, 130, 44, 24
COLOURS = ("#5f6368", "#1f6feb", "#b3541e", "#2b8a3e", "#8250df", "#c2255c", "#0b7285", "#7f6000", "#495057")
"""The first is for the pooled model, which comes first and is dashed."""
LABEL_HEIGHT = 14.0

Point = tuple[float, float]


def draw(report: Mapping[str, Any]) -> str:
    """The report of ``attune.evaluate.evaluate`` as SVG: all pairs on the left, contested ones beside them where there are such.

    Bands are one standard error over annotators. Colours are fixed, so that the file looks the same on a page or in print.
    """
    models = report["models"]
    parts = [part for part in ("all", "contested") if any(_summaries(each, part) for each in models.values())]
    panels = [_panel(models, part, LEFT + number * (WIDTH + GAP)) for number, part in enumerate(parts)]
    width = LEFT + len(parts) * (WIDTH + GAP)
    title = "Macro accuracy on held-out people, by judgments of theirs that the model has seen"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img" '
        f'aria-label="{title}" font-family="system-ui, sans-serif" font-size="12">\n'
        f'<title>{title}</title>\n<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>\n'
        + "".join(panels)
        + "</svg>\n"
    )


def _summaries(figures: Mapping[str, Any], part: str) -> list[Mapping[str, float]]:
    found = [figures["shots"][n]["slices"].get(part) for n in figures["shots"]]
    return [] if None in found else found


def _panel(models: Mapping[str, Any], part: str, left: float) -> str:
    lines = {name: _summaries(figures, part) for name, figures in models.items()}
    lines = {name: summaries for name, summaries in lines.items() if summaries}
    shots = list(next(iter(models.values()))["shots"])
    low = min(each["macro"] - each["macro_se"] for summaries in lines.values() for each in summaries)
    high = max(each["macro"] + each["macro_se"] for summaries in lines.values() for each in summaries)
    ticks = _ticks(low, high)
    bottom, top, right = HEIGHT - BOTTOM, TOP, left + WIDTH - RIGHT

    def x(index: int) -> float:
        return left + (right - left) * (index / max(len(shots) - 1, 1))

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    drawn = [
        f'<text x="{left:.0f}" y="20" font-weight="600">{"All pairs" if part == "all" else "Contested pairs"}</text>\n'
    ]
    drawn += [
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e3e5e8"/>'
        f'<text x="{left - 6:.1f}" y="{y(tick) + 4:.1f}" text-anchor="end" fill="#5f6368">{100 * tick:.0f} %</text>\n'
        for tick in ticks
    ]
    drawn += [
        f'<text x="{x(index):.1f}" y="{bottom + 18:.1f}" text-anchor="middle" fill="#5f6368">{escape(n)}</text>\n'
        for index, n in enumerate(shots)
    ]
    drawn.append(
        f'<text x="{(left + right) / 2:.1f}" y="{bottom + 36:.1f}" text-anchor="middle" fill="#5f6368">judgments seen</text>\n'
    )
    labels = _apart({name: y(summaries[-1]["macro"]) for name, summaries in lines.items()})
    for number, (name, summaries) in enumerate(lines.items()):
        colour, dash = COLOURS[number % len(COLOURS)], ' stroke-dasharray="5 4"' if number == 0 else ""
        middle = [(x(i), y(each["macro"])) for i, each in enumerate(summaries)]
        upper = [(x(i), y(each["macro"] + each["macro_se"])) for i, each in enumerate(summaries)]
        lower = [(x(i), y(each["macro"] - each["macro_se"])) for i, each in enumerate(summaries)]
        drawn.append(
            f'<polygon points="{_points(upper + lower[::-1])}" fill="{colour}" fill-opacity="0.12"/>'
            f'<polyline points="{_points(middle)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
            f'<text x="{right + 8:.1f}" y="{labels[name] + 4:.1f}" fill="{colour}">{escape(name)}</text>\n'
        )
    return "".join(drawn)


def _ticks(low: float, high: float) -> list[float]:
    """From four to eight round shares that enclose the values."""
    step = next(each for each in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / each <= 6 or each == 0.5)
    first = int(low / step + 1e-9)
    count = 1
    while (first + count) * step < high - 1e-9:
        count += 1
    return [(first + number) * step for number in range(count + 1)]


def _apart(at: Mapping[str, float]) -> dict[str, float]:
    """Label positions, moved down where they would overlap."""
    placed: dict[str, float] = {}
    last = float("-inf")
    for name in sorted(at, key=lambda each: at[each]):
        last = max(at[name], last + LABEL_HEIGHT)
        placed[name] = last
    return placed


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
