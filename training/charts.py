"""Geometry of the drawings on our pages. The template writes the SVG; here are only numbers and paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from django.utils.translation import gettext as _

from training.figures import Figure

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 84, 14, 30  # room for "100 %" at the size that narrow screens get
LABEL_GAP = 15.0

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; ``kind`` is its CSS class. ``band`` holds low and high of the interval at each point."""

    name: str
    kind: str
    points: Sequence[Point]
    band: Sequence[Point] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis, in drawing units, with its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line as SVG paths, with where it ends and where its label stands."""

    name: str
    kind: str
    path: str
    band: str
    end: Point
    label_y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing: lines, ticks of both axes, and the frame."""

    lines: list[DrawnLine]
    rows: list[Tick]
    columns: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    base: float = HEIGHT - BOTTOM


def accuracy_chart(personal: Mapping[int, Figure], pooled: Figure | None) -> Chart | None:
    """Share predicted after so many judgments of a newcomer, beside the pooled model's. Columns are evenly spaced."""
    if len(personal) < 2:
        return None
    shots = list(personal)
    own = Line(
        _("personal"),
        "model",
        [(place, 100 * figure.accuracy) for place, figure in enumerate(personal.values())],
        [(100 * figure.low, 100 * figure.high) for figure in personal.values()],
    )
    lines = [own]
    if pooled:
        lines.insert(0, Line(_("pooled"), "pool", [(place, 100 * pooled.accuracy) for place in range(len(shots))]))
    return draw(lines, {place: str(n) for place, n in enumerate(shots)}, lambda value: f"{value:g} %")


def loss_chart(points: Sequence[Point]) -> Chart | None:
    """A fit's loss by step."""
    if len(points) < 2:
        return None
    first, last = points[0][0], points[-1][0]
    middle = round((first + last) / 2)
    columns = {step: f"{step:g}" for step in (first, middle, last)}
    return draw([Line(_("loss"), "", points)], columns, lambda value: f"{value:g}")


def policy_charts(series: Mapping[str, Sequence[Point]]) -> list[tuple[str, Chart]]:
    """A policy run's figures by step, each drawing with its title; what has fewer than two points is left out."""
    wanted: list[tuple[str, list[tuple[str, str, str]]]] = [
        (_("Loss"), [("loss", _("loss"), "")]),
        (_("Implicit margin"), [("margin", _("margin"), "model")]),
        (_("Log-probability"), [("chosen", _("chosen"), "model"), ("rejected", _("rejected"), "pool")]),
        (
            _("Log-probability over the base’s"),
            [("chosen_gain", _("chosen"), "model"), ("rejected_gain", _("rejected"), "pool")],
        ),
        (
            _("Share ranked right"),
            [("learnt_accuracy", _("learnt"), "pool"), ("held_out_accuracy", _("held out"), "model")],
        ),
        (
            _("Chosen response likelier"),
            [("held_out_ideal", _("ideal"), "pool"), ("held_out_ranking", _("held out"), "model")],
        ),
        (_("KL from the base"), [("kl", _("nats"), "model")]),
        (_("Length of responses"), [("length", _("words"), "")]),
        (_("Rationales"), [("rationale", _("loss"), "")]),
    ]
    found = []
    for title, parts in wanted:
        lines = [Line(name, kind, series[key]) for key, name, kind in parts if len(series.get(key, ())) > 1]
        if lines:
            first, last = min(line.points[0][0] for line in lines), max(line.points[-1][0] for line in lines)
            columns = {step: f"{step:g}" for step in (first, round((first + last) / 2), last)}
            found.append((title, draw(lines, columns, lambda value: f"{value:g}")))
    return found


def optimised_chart(series: Mapping[str, Sequence[Point]]) -> Chart | None:
    """Over-optimisation: shares ranked right over KL from the base, one point an evaluation; None with fewer than three.

    What is optimised (the learnt pairs) goes on rising where what is meant (pairs kept aside) has begun to fall
    (Gao et al. 2023; Rafailov et al. 2024).
    """
    kl = dict(series.get("kl", ()))
    both = [
        [(kl[step], 100 * value) for step, value in series.get(name, ()) if step in kl]
        for name in ("learnt_accuracy", "held_out_accuracy")
    ]
    if min(map(len, both)) < 3:
        return None
    lines = [Line(_("learnt"), "pool", sorted(both[0])), Line(_("held out"), "model", sorted(both[1]))]
    furthest = max(kl.values())
    columns = {at: f"{at:.3g}" for at in (min(kl.values()), furthest)}
    return draw(lines, columns, lambda value: f"{value:g} %")


def draw(lines: Sequence[Line], columns: Mapping[float, str], label: Callable[[float], str]) -> Chart:
    """Lay lines out on axes that hold all of them. ``columns`` are the marks of the horizontal axis."""
    values = [point[1] for line in lines for point in line.points]
    values += [end for line in lines for interval in line.band for end in interval]
    steps = _round_steps(min(values), max(values))
    left, right = min(columns), max(columns)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - left) / ((right - left) or 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (steps[-1] - value) / (steps[-1] - steps[0])

    drawn = []
    for line in lines:
        places = [x(point[0]) for point in line.points]
        path = [(place, y(point[1])) for place, point in zip(places, line.points, strict=True)]
        lower = [(place, y(low)) for place, (low, _high) in zip(places, line.band, strict=False)]
        upper = [(place, y(high)) for place, (_low, high) in zip(places, line.band, strict=False)]
        end = (round(path[-1][0], 1), round(path[-1][1], 1))
        drawn.append(DrawnLine(line.name, line.kind, _path(path), _path([*upper, *reversed(lower)], "Z"), end, end[1]))
    return Chart(
        lines=_spread_labels(drawn),
        rows=[Tick(round(y(step), 1), label(step)) for step in steps],
        columns=[Tick(round(x(at), 1), text) for at, text in columns.items()],
    )


def _round_steps(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from below ``low`` to above ``high``."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** floor(log10(span / about))
    size *= next(factor for factor in (1, 2, 5, 10) if span / (size * factor) <= about)
    first, last = floor(low / size + 1e-9), ceil(high / size - 1e-9)
    return [round(each * size, 10) for each in range(first, max(last, first + 1) + 1)]


def _spread_labels(lines: list[DrawnLine]) -> list[DrawnLine]:
    """Labels at the lines' ends, pushed down where they would cover each other."""
    lowest = float("-inf")
    places: dict[str, float] = {}
    for line in sorted(lines, key=lambda each: each.end[1]):
        lowest = places[line.name] = max(line.end[1], lowest + LABEL_GAP)
    return [
        DrawnLine(line.name, line.kind, line.path, line.band, line.end, round(places[line.name], 1)) for line in lines
    ]


def _path(points: Sequence[Point], close: str = "") -> str:
    """An SVG path through the points; empty where there are none."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + close if points else ""
