"""Filters for the figures of models and runs."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _

from annotator.models import Job
from training.figures import Difference
from training.models import ModelVersion, PolicyRun, PolicyVersion, Scope
from training.reports import percent

register = template.Library()

_RUN_PILLS = {"running": "model", "done": "pos", "failed": "neg"}
_VERSION_PILLS = {"live": "pos", "retired": "neg"}


@register.filter
def share(value: float | str | None) -> str:
    """0.7312 as ``73.1 %``; an em dash where there is nothing to say, which templates give as an empty text."""
    return percent(value) if isinstance(value, int | float) else "—"


@register.filter
def points(value: float | None) -> str:
    """0.083 as ``+8.3``: percentage points with their sign."""
    return "—" if value is None else f"{100 * value:+.1f}".replace("-", "−")


@register.filter
def interval(gain: Difference | None) -> str:
    """A difference's 95 % interval in points: ``−0.4 to +2.4``."""
    if gain is None:
        return "—"
    return _("%(low)s to %(high)s") % {
        "low": points(gain.value - gain.margin),
        "high": points(gain.value + gain.margin),
    }


@register.filter
def figure(value: object) -> str:
    """A figure of a run's log, short."""
    return "—" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


@register.filter
def pill(thing: Job | ModelVersion) -> str:
    """The colour class of a run's or a version's state."""
    return (_VERSION_PILLS if isinstance(thing, ModelVersion) else _RUN_PILLS).get(thing.state, "")


@register.filter
def whose(policy: PolicyRun | PolicyVersion) -> str:
    """``policy.whose`` in the reader's language; what is kept of it stays English."""
    if policy.scope == Scope.PROTOTYPE:
        return _("group %(n)s") % {"n": policy.prototype}
    return str(policy.annotator) if policy.annotator else _("everyone")
