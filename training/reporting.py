"""What a run says while it works: its phase and step for the page, its figures for the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from datetime import timedelta
from math import isfinite
from typing import Any

from annotator.services import jobs
from training.models import PolicyEvent, PolicyRun, Run, RunEvent

EVERY_SECONDS = 1.0
POINTS = 200
"""At most so many lines of figures a phase: a chart's worth."""

Watch = Callable[[Mapping[str, object]], None]
"""Called with the progress whenever it is written: ``phase``, ``step``, ``steps``."""

_NOT_FIGURES = frozenset({"step", "steps", "stage"})


class Reporter:
    """Writes a run's progress and figures, at most once a second, and stops the run where it must not go on.

    An instance is an ``attune`` progress callback. Calls raise ``jobs.Cancelled`` or ``jobs.ClaimLost``.
    """

    def __init__(
        self,
        run: Run | PolicyRun,
        beat: jobs.Beat,
        *,
        lease: timedelta = jobs.LEASE,
        every: float = EVERY_SECONDS,
        watch: Watch | None = None,
        events: type[RunEvent] | type[PolicyEvent] = RunEvent,
    ) -> None:
        self.run, self.beat, self.lease, self.every, self.watch = run, beat, lease, every, watch
        self._phase = ""
        self._kind: type[Any] = events  # RunEvent of a Run, PolicyEvent of a PolicyRun
        self._events: list[Any] = []
        self._last_point = -1
        self._last_names: Set[str] = frozenset()
        self._spoke_at = 0.0

    def phase(self, name: str, steps: int = 0) -> None:
        """Enter a phase: freezing, encoding, fitting, checking or storing. Written at once."""
        self._phase, self._last_point = name, -1
        self._progress({"step": 0, "steps": steps})
        self.flush()

    def __call__(self, report: Mapping[str, float | int | str]) -> None:
        """``step`` of ``steps``, a ``stage`` in words, and any figures."""
        self.beat.check()
        self._progress(report)
        self._keep(report)
        if time.monotonic() - self._spoke_at >= self.every:
            self.flush()

    def flush(self) -> None:
        """Write what is due."""
        jobs.heartbeat(job=self.run, progress=self.beat.progress, lease=self.lease)
        self._kind._default_manager.bulk_create(self._events)  # noqa: SLF001 (Django's documented name)
        self._events.clear()
        self._spoke_at = time.monotonic()
        if self.watch:
            self.watch(self.beat.progress)

    def _progress(self, report: Mapping[str, float | int | str]) -> None:
        shown = {name: report[name] for name in _NOT_FIGURES & report.keys()}
        self.beat.progress = {"phase": self._phase, **shown}

    def _keep(self, report: Mapping[str, float | int | str]) -> None:
        """Figures become events, thinned to ``POINTS`` over the phase; the last step, and what a step adds later, are kept."""
        figures = {name: _finite(value) for name, value in report.items() if name not in _NOT_FIGURES}
        step, steps = int(report.get("step", 0)), int(report.get("steps", 0))
        point = step * POINTS // steps if steps > POINTS else step
        if figures and (point != self._last_point or not figures.keys() <= self._last_names):
            self._last_point, self._last_names = point, figures.keys()
            data = {"phase": self._phase, "attempt": self.run.attempt, **figures}
            self._events.append(self._kind(run=self.run, step=step, data=data))


def _finite(value: float | int | str) -> float | int | str | None:
    """JSON has no infinity and no NaN; a figure that is neither number nor text is not there."""
    return None if isinstance(value, float) and not isfinite(value) else value
