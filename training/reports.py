"""What a version's held-out figures mean, in rows for a table and in sentences for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from django.utils.translation import gettext as _

from training import figures
from training.charts import Chart, accuracy_chart
from training.figures import FEW, Figure
from training.findings import findings

SHOWN = (0, 4, 8, 16)
COIN = log(2)
"""The log-loss of somebody who always says fifty-fifty."""


@dataclass(frozen=True, slots=True)
class ShotRow:
    """One line of the table: after ``shots`` judgments of a newcomer."""

    shots: int
    own: Figure
    live: Figure | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A share of predicted choices after ``shots`` judgments, where it is known."""

    shots: int
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """A version's figures made readable. ``rows`` is empty for a pooled model, ``main`` None where nothing is known."""

    main: Figure | None
    shots: int | None
    pooled: Figure | None
    cells: list[Cell]
    """One per ``SHOWN``, for a table of versions."""
    rows: list[ShotRow]
    chart: Chart | None
    sentences: list[str]
    findings: list[str]
    """What only this kind of model can say."""


def report_on(metrics: Mapping[str, float], live: Mapping[str, float] | None = None) -> Report:
    """The report of a version, beside the live one's metrics where they are another's."""
    pooled, personal = figures.pooled(metrics), figures.personal(metrics)
    shown = {n: figure for n, figure in personal.items() if n in SHOWN}
    shots = _main_shots(shown)
    main = shown[shots] if shots is not None else pooled
    rows = [ShotRow(n, own, figures.at(live or {}, n)) for n, own in shown.items()]
    return Report(
        main=main,
        shots=shots,
        pooled=pooled,
        cells=[Cell(n, shown[n].accuracy if n in shown else None) for n in SHOWN],
        rows=rows,
        chart=accuracy_chart(shown, pooled),
        sentences=_sentences(main, shots, pooled),
        findings=findings(metrics),
    )


def percent(share: float) -> str:
    """0.7312 as ``73.1 %``, with a space that does not break."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _main_shots(shown: Mapping[int, Figure]) -> int | None:
    """Eight judgments where there is such a figure: a person's first sitting. Else the most there are."""
    return 8 if 8 in shown else max(shown, default=None)


def _sentences(main: Figure | None, shots: int | None, pooled: Figure | None) -> list[str]:
    if main is None:
        return [
            _(
                "How good it is can’t be told yet: nobody could be held out to try it on. "
                "That takes some more people with eight judgments or more each."
            )
        ]
    return [_accuracy(main, shots), *_gain(main, pooled), _calibration(main), _log_loss(main)]


def _accuracy(main: Figure, shots: int | None) -> str:
    said = {
        "shots": shots,
        "accuracy": percent(main.accuracy),
        "low": percent(main.low),
        "high": percent(main.high),
        "people": main.annotators,
        "judgments": main.judgments,
    }
    if shots is None:
        return (
            _(
                "Of the choices of %(people)d people it had never seen, it predicts %(accuracy)s "
                "(95 %% interval %(low)s to %(high)s; %(judgments)d choices). Guessing gets 50 %%."
            )
            % said
        )
    return (
        _(
            "After %(shots)d judgments of a newcomer it predicts %(accuracy)s of their other choices "
            "(95 %% interval %(low)s to %(high)s; %(people)d people held out, %(judgments)d choices)."
        )
        % said
    )


def _gain(main: Figure, pooled: Figure | None) -> list[str]:
    """What the personal part is worth, on the same people."""
    gain = main.gain
    if gain is None or pooled is None:
        return []
    said = {"pooled": percent(pooled.accuracy), "points": f"{100 * abs(gain.value):.1f}"}
    if gain.people < FEW:
        return [
            _(
                "One model for everybody predicts %(pooled)s of them. Too few people were held out to tell the two apart."
            )
            % said
        ]
    if not gain.certain:
        return [
            _("One model for everybody predicts %(pooled)s: a difference of %(points)s points, which may be chance.")
            % said
        ]
    if gain.value > 0:
        return [
            _("One model for everybody predicts %(pooled)s, which is %(points)s points less: more than chance.") % said
        ]
    return [
        _("One model for everybody predicts %(pooled)s, which is %(points)s points more. Use that one instead.") % said
    ]


def _calibration(main: Figure) -> str:
    return _("When it says how sure it is, it is off by %(points)s points on average.") % {
        "points": f"{100 * main.ece:.1f}"
    }


def _log_loss(main: Figure) -> str:
    return _("Its log-loss is %(loss)s; guessing has %(coin)s, and lower is better.") % {
        "loss": f"{main.log_loss:.3f}",
        "coin": f"{COIN:.3f}",
    }
