"""Whether a finished run's version goes live by itself, and why or why not."""

from __future__ import annotations

from collections.abc import Mapping

from training import figures
from training.models import ModelVersion, Run
from training.registry import promote
from training.runs import note

COMPARED_AT = 8
"""Judgments of a newcomer after which two versions are compared."""


def promote_if_due(version: ModelVersion) -> None:
    """Promote the version of a run that was to be promoted; a refit only where it is not worse than the live one.

    Either way a line of the run's log says why.
    """
    run = version.run
    live = version.project.versions.filter(state=ModelVersion.State.LIVE).first()
    if run.trigger == Run.Trigger.EVIDENCE and live:
        worse = worse_than(live.label, live.metrics, version.metrics)
        if worse:
            note(run, f"Not promoted: {worse}")
            return
    promote(version=version, by=run.by, reason=run.get_trigger_display())
    note(run, f"Promoted in place of {live.label}: not worse on held-out people." if live else "Promoted.")


def worse_than(label: str, live: Mapping[str, float], new: Mapping[str, float]) -> str:
    """Why the new metrics are worse than those of ``label`` by more than noise; empty where they are not."""
    before, after = figures.at(live, COMPARED_AT), figures.at(new, COMPARED_AT)
    if after is None:
        return f"it could not be tried on held-out people, and {label} could." if before else ""
    if before is None:
        return ""
    accuracy, log_loss = figures.accuracy_change(before, after), figures.log_loss_change(before, after)
    if accuracy.certain and accuracy.value < 0:
        return (
            f"after {COMPARED_AT} judgments of a newcomer it is right about {after.accuracy:.1%} of the rest, and {label}"
            f" about {before.accuracy:.1%}; chance alone makes at most {accuracy.margin * 100:.1f} points."
        )
    if log_loss.certain and log_loss.value < 0:
        return (
            f"after {COMPARED_AT} judgments of a newcomer its log-loss is {after.log_loss:.3f}, and that of {label}"
            f" {before.log_loss:.3f}; chance alone makes at most {log_loss.margin:.3f}."
        )
    return ""
