"""Whether a finished run's version goes live by itself, and why or why not."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

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
            note(run, _("Not promoted: %(why)s") % {"why": worse})
            return
    promote(version=version, by=run.by, reason=run.get_trigger_display())
    promoted = _("Promoted.")
    if live:
        promoted = _("Promoted in place of %(model)s: not worse on held-out people.") % {"model": live.label}
    note(run, promoted)


def worse_than(label: str, live: Mapping[str, float], new: Mapping[str, float]) -> str:
    """Why the new metrics are worse than those of ``label`` by more than noise; empty where they are not."""
    before, after = figures.at(live, COMPARED_AT), figures.at(new, COMPARED_AT)
    if after is None:
        said = _("it could not be tried on held-out people, and %(model)s could.") % {"model": label}
        return said if before else ""
    if before is None:
        return ""
    accuracy, log_loss = figures.accuracy_change(before, after), figures.log_loss_change(before, after)
    if accuracy.certain and accuracy.value < 0:
        return _(
            "after %(n)s judgments of a newcomer it is right about %(after)s of the rest, and %(model)s about %(before)s; chance alone makes at most %(margin)s points."
        ) % {
            "n": COMPARED_AT,
            "after": f"{after.accuracy:.1%}",
            "model": label,
            "before": f"{before.accuracy:.1%}",
            "margin": f"{accuracy.margin * 100:.1f}",
        }
    if log_loss.certain and log_loss.value < 0:
        return _(
            "after %(n)s judgments of a newcomer its log-loss is %(after)s, and that of %(model)s %(before)s; chance alone makes at most %(margin)s."
        ) % {
            "n": COMPARED_AT,
            "after": f"{after.log_loss:.3f}",
            "model": label,
            "before": f"{before.log_loss:.3f}",
            "margin": f"{log_loss.margin:.3f}",
        }
    return ""
