"""What the pages and commands show of a project's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotator.errors import NotFound
from annotator.models import JobState, Project
from training.models import Doubt, ModelVersion, Promotion, Run
from training.runs import DECIDED
from training.snapshots import usable_judgments

PHASES = ("freezing", "encoding", "doubting", "fitting", "storing")
MOST_RUNS = 50
MOST_DOUBTS = 200


def versions_of(project: Project) -> QuerySet[ModelVersion]:
    """Versions, newest first, with their runs and snapshots."""
    return project.versions.select_related("run__snapshot", "run__by")


def runs_of(project: Project) -> QuerySet[Run]:
    """The last runs, newest first, with their versions."""
    return project.runs.select_related("by", "version")[:MOST_RUNS]


def history_of(project: Project) -> QuerySet[Promotion]:
    """What served from when, newest first."""
    return project.promotions.select_related("version", "previous", "by")


def find_run(project: Project, number: int) -> Run:
    """A run by its number. Raises ``NotFound``."""
    run = project.runs.select_related("by", "snapshot", "version", "project").filter(number=number).first()
    if run is None:
        raise NotFound(_("There is no run %(number)s in this project.") % {"number": number})
    return run


def find_version(project: Project, number: int) -> ModelVersion:
    """A version by its number. Raises ``NotFound``."""
    version = versions_of(project).select_related("project").filter(number=number).first()
    if version is None:
        raise NotFound(_("There is no model version %(number)s in this project.") % {"number": number})
    return version


def version_named(project: Project, name: str) -> ModelVersion:
    """A version as people write it: ``hybrid@3`` or ``3``. Raises ``NotFound``."""
    label, _at, number = name.rpartition("@")
    if number.isascii() and number.isdigit() and len(number) < 9:
        version = versions_of(project).select_related("project").filter(number=int(number)).first()
        if version and label in ("", version.model_name):
            return version
    known = ", ".join(each.label for each in project.versions.all()[:5]) or _("none yet")
    raise NotFound(
        _("There is no model “%(name)s” in this project; the last ones are: %(known)s.")
        % {"name": name, "known": known}
    )


def decided_judgments(project: Project) -> int:
    """How many judgments a model could learn a preference from."""
    return usable_judgments(project).filter(choice__in=DECIDED).count()


def doubts_of(project: Project) -> tuple[Run | None, list[Doubt]]:
    """The last run that looked for mislabelled judgments, and those that it found; judgments taken back since are out."""
    looked = project.runs.exclude(doubtful=Run.Doubtful.KEEP).filter(state=JobState.DONE).first()
    if looked is None:
        return None, []
    rows = looked.doubts.filter(judgment__current=True, judgment__withdrawn=False)
    related = (
        "judgment__annotator",
        "judgment__pair__prompt",
        "judgment__pair__response_a",
        "judgment__pair__response_b",
    )
    return looked, list(rows.select_related(*related)[:MOST_DOUBTS])


@dataclass(frozen=True, slots=True)
class Step:
    """One phase of a run: done, current or to come."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. ``share`` of the present phase is None where that has no steps; ``stage`` is what the steps are of, where
    that is not the phase itself."""

    phase: str
    step: int
    steps: int
    share: float | None
    phases: list[Step]
    stage: str = ""


def progress_of(run: Run) -> Progress:
    """Read from the row."""
    phase = str(run.progress.get("phase", ""))
    names = [name for name in PHASES if name != "doubting" or run.doubtful != Run.Doubtful.KEEP]
    place = len(names) if phase == "done" else names.index(phase) if phase in names else -1
    states = ["done" if n < place else "current" if n == place else "" for n in range(len(names))]
    step, steps = int(run.progress.get("step", 0)), int(run.progress.get("steps", 0))
    phases = [Step(name, state) for name, state in zip(names, states, strict=True)]
    return Progress(phase, step, steps, min(1.0, step / steps) if steps else None, phases)


@dataclass(frozen=True, slots=True)
class FigureRow:
    """Figures of one step, in the order of ``RunLog.names``."""

    step: int
    values: list[object]


@dataclass(frozen=True, slots=True)
class RunLog:
    """A run's events: figures of the last attempt by step, and remarks of all."""

    names: list[str]
    rows: list[FigureRow]
    loss: list[tuple[float, float]]
    notes: list[tuple[datetime, str]]


def log_of(run: Run) -> RunLog:
    """One query. Held-out figures, which belong to the end of a fit, are not among the columns."""
    events = list(run.events.values_list("at", "step", "data"))
    figures = [(step, data) for _, step, data in events if step is not None and data.get("attempt") == run.attempt]
    names = [name for name in _names([data for _, data in figures]) if not name.startswith(("personal_", "pooled_"))]
    return RunLog(
        names=names,
        rows=[FigureRow(step, [data.get(name) for name in names]) for step, data in figures] if names else [],
        loss=[(step, data["loss"]) for step, data in figures if isinstance(data.get("loss"), int | float)],
        notes=[(at, data["note"]) for at, _, data in events if "note" in data],
    )


def _names(figures: Sequence[Mapping[str, object]]) -> list[str]:
    return [name for name in dict.fromkeys(key for data in figures for key in data) if name not in ("phase", "attempt")]
