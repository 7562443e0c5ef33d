"""What pages, commands and the API show of policies, and which one serves whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotator.errors import NotFound
from annotator.models import Annotator, Project
from attune.policies.settings import PolicySettings
from attune.style_features import TRAITS, poles_of
from training.models import PolicyRun, PolicyVersion, Scope
from training.selectors import Progress, Step

PHASES = ("freezing", "training", "storing")
NAMED_FIRST = {name: place for place, name in enumerate(("base", "method", "options", "epochs", "learning_rate"))}
FIGURES = (
    *("loss", "margin", "accuracy", "chosen", "rejected", "chosen_gain", "rejected_gain", "kl", "length", "rationale"),
    *("held_out_accuracy", "held_out_margin", "held_out_ranking", "held_out_ideal", "learnt_accuracy", "entanglement"),
)


def policies_of(project: Project) -> QuerySet[PolicyVersion]:
    """Versions, newest first."""
    return project.policies.select_related("run__snapshot", "run__judge", "run__by", "annotator__user")


def policy_runs_of(project: Project) -> QuerySet[PolicyRun]:
    """The last runs, newest first."""
    return project.policy_runs.select_related("by", "version", "judge", "annotator__user")[:50]


def find_policy_run(project: Project, number: int) -> PolicyRun:
    """A policy run by its number. Raises ``NotFound``."""
    rows = project.policy_runs.select_related(
        "by", "snapshot", "judge", "version", "project", "annotator__user", "start_from"
    )
    run = rows.filter(number=number).first()
    if run is None:
        raise NotFound(_("There is no policy run %(number)s in this project.") % {"number": number})
    return run


def find_policy(project: Project, number: int) -> PolicyVersion:
    """A policy by its number. Raises ``NotFound``."""
    version = policies_of(project).select_related("project").filter(number=number).first()
    if version is None:
        raise NotFound(_("There is no policy %(number)s in this project.") % {"number": number})
    return version


def usable_policy(project: Project, number: int | None) -> PolicyVersion | None:
    """One that is not retired; None for None. Raises ``NotFound``."""
    return None if number is None else find_usable_policy(project, number)


def find_usable_policy(project: Project, number: int) -> PolicyVersion:
    """One that is not retired. Raises ``NotFound``."""
    version = policies_of(project).filter(number=number, retired=False).first()
    if version is None:
        raise NotFound(_("There is no policy %(number)s in this project that is not retired.") % {"number": number})
    return version


def annotator_named(project: Project, ref: str) -> Annotator:
    """An annotator by their reference. Raises ``NotFound``."""
    found = project.annotators.filter(ref=ref).first()
    if found is None:
        raise NotFound(_("There is no annotator “%(ref)s” in this project.") % {"ref": ref})
    return found


def policy_for(annotator: Annotator) -> tuple[PolicyVersion | None, str]:
    """The policy that serves an annotator, and why that one: their own, else their group's, else everyone's."""
    rows = list(annotator.project.policies.filter(retired=False).select_related("annotator"))
    if own := next((each for each in rows if each.annotator_id == annotator.pk), None):
        return own, "their own"
    groups = (each for each in rows if each.scope == Scope.PROTOTYPE and str(annotator.pk) in each.members)
    if group := next(groups, None):
        return group, f"that of {group.whose}, which they belong to; they have none of their own yet"
    if everyone := next((each for each in rows if each.scope == Scope.EVERYONE), None):
        return everyone, "everyone's; they have none of their own yet"
    return None, "none has been trained yet"


@dataclass(frozen=True, slots=True)
class Steered:
    """How far apart answers are that were asked for with a trait's two poles, in spreads, with its standard error."""

    poles: tuple[str, str]
    apart: float
    error: float

    @property
    def follows(self) -> bool:
        """Beyond two standard errors."""
        return self.apart > 2 * self.error


def steered_by(version: PolicyVersion) -> list[Steered]:
    """What a direction in its prompt changed when it was trained; nothing where it reads none, or was not measured."""
    found, named = version.metrics, [poles_of(each) for each in TRAITS]
    return [
        Steered(poles, found[f"steer_{poles[1]}"], found[f"steer_error_{poles[1]}"])
        for poles in named
        if f"steer_{poles[1]}" in found
    ]


def policy_progress(run: PolicyRun) -> Progress:
    """Read from the row."""
    phase = str(run.progress.get("phase", ""))
    place = len(PHASES) if phase == "done" else PHASES.index(phase) if phase in PHASES else -1
    states = ["done" if n < place else "current" if n == place else "" for n in range(len(PHASES))]
    step, steps = int(run.progress.get("step", 0)), int(run.progress.get("steps", 0))
    phases = [Step(name, state) for name, state in zip(PHASES, states, strict=True)]
    stage = str(run.progress.get("stage", ""))
    return Progress(phase, step, steps, min(1.0, step / steps) if steps else None, phases, stage)


@dataclass(frozen=True, slots=True)
class PolicySetup:
    """A run's settings as (name, value in words): what it learns from and how, with all that is not as usual; and the rest."""

    chosen: list[tuple[str, str]]
    usual: list[tuple[str, str]]


def policy_setup(run: PolicyRun) -> PolicySetup:
    """Read from the row. Names are those of ``attune fit-policy --set``."""
    usual, found = PolicySettings().as_mapping(), PolicySetup([], [])
    for name, value in sorted(run.settings.items(), key=lambda each: NAMED_FIRST.get(each[0], len(NAMED_FIRST))):
        part = found.chosen if name in NAMED_FIRST or value != usual.get(name) else found.usual
        part.append((name, _in_words(value)))
    return found


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "–"
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value)) or "–"


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A run's events: each figure by step, the last value of each, and remarks."""

    series: dict[str, list[tuple[float, float]]]
    notes: list[tuple[datetime, str]]

    @property
    def last(self) -> dict[str, float]:
        return {name: points[-1][1] for name, points in self.series.items() if points}


def policy_log(run: PolicyRun) -> PolicyLog:
    """One query. A step that a resumed attempt did again counts once, as it was the last time."""
    found: dict[str, dict[int, float]] = {name: {} for name in FIGURES}
    notes = []
    for at, step, data in run.events.values_list("at", "step", "data"):
        if "note" in data:
            notes.append((at, str(data["note"])))
        for name in FIGURES:
            if step is not None and isinstance(data.get(name), int | float):
                found[name][step] = float(data[name])
    series = {name: [(float(step), value) for step, value in sorted(by.items())] for name, by in found.items() if by}
    return PolicyLog(series, notes)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a run found out about itself; None where it was not measured. Shares are of 1.

    The implicit reward is the policy's own, the explicit one a Bradley–Terry model of the same judgments. ``ranking`` is the
    share of held-out pairs whose chosen response the policy makes likelier, ``ranking_before`` before the first step, and
    ``ideal`` at the loss's optimum. ``entanglement`` above 1: a step that lowers rejected responses lowers chosen ones too.
    """

    implicit_learnt: float | None
    implicit_held_out: float | None
    explicit_learnt: float | None
    explicit_held_out: float | None
    ranking_before: float | None
    ranking: float | None
    ideal: float | None
    entanglement: float | None
    chosen_gain: float | None
    rejected_gain: float | None

    @property
    def entangled(self) -> bool:
        return self.entanglement is not None and self.entanglement > 1

    @property
    def both_fell(self) -> bool:
        """Whether the chosen responses became less likely together with the rejected ones."""
        return None not in (self.chosen_gain, self.rejected_gain) and max(self.chosen_gain, self.rejected_gain) < 0  # type: ignore[type-var,operator]


def diagnosis_of(run: PolicyRun, log: PolicyLog) -> Diagnosis | None:
    """From the run's metrics and log; None before its end, or where nothing was kept aside."""
    found = run.metrics
    if "held_out_ranking" not in found:
        return None
    ranking = log.series.get("held_out_ranking", [])
    return Diagnosis(
        implicit_learnt=found.get("learnt_accuracy"),
        implicit_held_out=found.get("held_out_accuracy"),
        explicit_learnt=found.get("explicit_learnt"),
        explicit_held_out=found.get("explicit_held_out"),
        ranking_before=ranking[0][1] if ranking and ranking[0][0] == 0 else None,
        ranking=found["held_out_ranking"],
        ideal=found.get("held_out_ideal"),
        entanglement=found.get("entanglement"),
        chosen_gain=found.get("held_out_chosen_gain"),
        rejected_gain=found.get("held_out_rejected_gain"),
    )
