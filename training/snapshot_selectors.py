"""A project's snapshots, and what was made of each."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from annotator.errors import Invalid, NotFound
from annotator.models import Project
from training.models import PolicyRun, Run, Snapshot
from training.snapshots import DIGEST


def snapshots_of(project: Project) -> QuerySet[Snapshot]:
    """Newest first, with the runs that took them and what came of these."""
    runs = Prefetch("runs", Run.objects.select_related("version"))
    policies = Prefetch("policy_runs", PolicyRun.objects.select_related("version", "annotator"))
    rows: QuerySet[Snapshot] = project.snapshots.select_related("created_by", "project")
    return rows.prefetch_related(runs, policies)


def find_snapshot(project: Project, name: str) -> Snapshot:
    """A snapshot by its name, or by the first eight or more digits of its digest.

    Raises ``NotFound``, and ``Invalid`` where several begin so.
    """
    wanted = name.replace("\x00", "\ufffd")
    if found := snapshots_of(project).filter(name=wanted).first():
        return found
    if DIGEST.fullmatch(wanted):
        matching = list(snapshots_of(project).filter(digest__startswith=wanted)[:2])
        if len(matching) == 1:
            return matching[0]
        if matching and matching[0].digest == matching[1].digest:
            return matching[0]
        if matching:
            raise Invalid(_("Several snapshots begin with %(digest)s; give more digits.") % {"digest": wanted})
    known = ", ".join(each.name or each.digest[:12] for each in project.snapshots.all()[:5]) or _("none yet")
    raise NotFound(
        _("There is no snapshot “%(name)s” in this project; the last ones are: %(known)s.")
        % {"name": wanted[:80], "known": known}
    )
