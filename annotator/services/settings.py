"""What an owner sets up: one writer for all of it, and no change over somebody else's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import Judgment, Project, User
from annotator.services.audit import record
from annotator.services.lineups import make_lineups
from annotator.services.slots import spread_slots

EDITABLE = (
    "name",
    "description",
    "instructions",
    "kinds",
    "scale",
    "scale_low",
    "scale_high",
    "critique_min",
    "reason_tags",
    "rationales",
    "rationale_min",
    "choosing",
    "overlap",
    "overlap_cap",
    "shared_share",
    "quota_total",
    "quota_day",
    "lease_minutes",
    "daily_goal",
    "repeat_rate",
    "gold_rate",
    "hindsight_rate",
    "hindsight_trains",
    "picture_urls",
    "qualify_share",
    "gold_bar",
    "repeat_bar",
    "checks_needed",
    "consequence",
    "reward_model",
    "encoder",
    "refit_every",
    "show_guess",
    "show_machines",
    "source_note",
)
LONG = ("description", "instructions", "source_note", "reason_tags")
"""Fields whose text an audit entry does not repeat."""


def settings_version(project: Project) -> str:
    """A short digest of the settings as they are: who saves says which ones they had seen (HTTP's If-Match)."""
    values = json.dumps([getattr(project, name) for name in EDITABLE], sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()[:16]


def update_settings(*, project: Project, by: User, seen: str, values: Mapping[str, object]) -> list[str]:
    """Store ``values`` (of ``EDITABLE``) and return the names of those that changed.

    Raises ``Conflict`` where the settings are no longer those of version ``seen``, and ``Invalid`` with ``fields``.
    """
    if unknown := set(values) - set(EDITABLE):
        raise Invalid(_("There are no settings %(known)s.") % {"known": ", ".join(sorted(unknown))})
    with transaction.atomic():
        stored = Project.objects.select_for_update().get(pk=project.pk)
        if settings_version(stored) != seen:
            raise Conflict(_who_was_first(stored))
        before = {name: getattr(stored, name) for name in values}
        for name, value in values.items():
            setattr(stored, name, value)
        changed = [name for name in values if getattr(stored, name) != before[name]]
        if changed:
            _check(stored, changed)
            stored.save(update_fields=changed)
            if "kinds" in changed:
                make_lineups(project=stored)
            about = {name: [before[name], getattr(stored, name)] for name in changed if name not in LONG}
            record(project=stored, by=by, what="set-up changed", fields=changed, values=about)
    for name in values:
        setattr(project, name, getattr(stored, name))
    return changed


def spread_overlap(*, project: Project, by: User) -> int:
    """Let the project's overlap hold for the pairs that are there, too; pairs given to more people keep those.

    Returns how many pairs changed.
    """
    with transaction.atomic():
        if changed := spread_slots(project):
            record(project=project, by=by, what="overlap spread", overlap=project.overlap, pairs=changed)
    return changed


def archive_project(*, project: Project, by: User) -> None:
    """Take the project off the lists and stop judging; everything stays."""
    _set_archived(project, by, archived=True)


def restore_project(*, project: Project, by: User) -> None:
    """Undo ``archive_project``."""
    _set_archived(project, by, archived=False)


def _set_archived(project: Project, by: User, *, archived: bool) -> None:
    project.archived_at = timezone.now() if archived else None
    with transaction.atomic():
        rows = Project.objects.filter(pk=project.pk, archived_at__isnull=archived)
        if rows.update(archived_at=project.archived_at):
            record(project=project, by=by, what="project archived" if archived else "project restored")


def _check(project: Project, changed: list[str]) -> None:
    known = Judgment.Kind.values
    if not isinstance(project.kinds, list) or project.kinds != [kind for kind in known if kind in project.kinds]:
        wrong = {"kinds": _("At least one of %(known)s, in this order.") % {"known": ", ".join(known)}}
        raise Invalid(_("The set-up can’t be saved so."), fields=wrong)
    if not project.kinds:
        raise Invalid(_("The set-up can’t be saved so."), fields={"kinds": _("Choose at least one kind of judgment.")})
    fields = Project._meta.fields  # noqa: SLF001 — Django's own interface
    others = [field.name for field in fields if field.name not in changed or field.name == "reason_tags"]
    try:
        project.full_clean(exclude=others)
    except ValidationError as error:
        wrong = {name: " ".join(reasons) for name, reasons in error.message_dict.items()}
        raise Invalid(_("The set-up can’t be saved so."), fields=wrong) from error


def _who_was_first(project: Project) -> str:
    last = project.audit.filter(what="set-up changed").select_related("by").first()
    if not last:
        return _("The set-up changed since you opened it. Yours is not saved; look at both, then save again.")
    what = ", ".join(str(name).replace("_", " ") for name in last.about.get("fields", []))
    return _(
        "%(by)s changed %(settings)s since you opened this. Yours is not saved; look at both, then save again."
    ) % {
        "by": last.by or "Somebody",
        "settings": what,
    }
