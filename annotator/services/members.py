"""Roles in a project, and pauses. A project always keeps an owner."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.models import Annotator, Assignment, Membership, Project, Role, User
from annotator.services.audit import record
from annotator.services.leases import end_leases


def change_role(*, member: Membership, role: Role, by: User) -> None:
    """Give a member another role. Raises ``Conflict`` for the last owner. What they judged stays in any case."""
    with transaction.atomic():
        _keep_an_owner(member, stays=role == Role.OWNER)
        before, member.role = member.role, role
        if before == role:
            return
        member.save(update_fields=["role"])
        if role == Role.VIEWER:
            _give_back(project=member.project, user=member.user)
        record(project=member.project, by=by, what="role changed", member=str(member.user), before=before, after=role)


def remove_member(*, member: Membership, by: User) -> None:
    """Take a member out of the project; their judgments stay, what they had open goes back. Not the last owner."""
    with transaction.atomic():
        _keep_an_owner(member, stays=False)
        _give_back(project=member.project, user=member.user)
        record(project=member.project, by=by, what="member removed", member=str(member.user), role=member.role)
        member.delete()


def pause_annotator(*, annotator: Annotator, by: User | None) -> None:
    """Give them no more pairs, and give back what they had open."""
    with transaction.atomic():
        if Annotator.objects.filter(pk=annotator.pk, paused_at=None).update(paused_at=timezone.now()):
            _release(annotator)
            record(project=annotator.project, by=by, what="annotator paused", annotator=annotator.ref)


def resume_annotator(*, annotator: Annotator, by: User) -> None:
    """Let them judge again."""
    with transaction.atomic():
        if Annotator.objects.filter(pk=annotator.pk, paused_at__isnull=False).update(paused_at=None):
            record(project=annotator.project, by=by, what="annotator resumed", annotator=annotator.ref)


def set_quotas(*, annotator: Annotator, quota_total: int | None, quota_day: int | None, by: User) -> None:
    """Give them quotas of their own; None: the project's."""
    before = (annotator.quota_total, annotator.quota_day)
    with transaction.atomic():
        if before != (quota_total, quota_day):
            Annotator.objects.filter(pk=annotator.pk).update(quota_total=quota_total, quota_day=quota_day)
            values = {"in_all": [before[0], quota_total], "a_day": [before[1], quota_day]}
            record(project=annotator.project, by=by, what="quotas set", annotator=annotator.ref, values=values)


def change_annotator(
    *,
    annotator: Annotator,
    by: User,
    about: Mapping[str, object] | None = None,
    name: str | None = None,
    in_training: bool | None = None,
    paused: bool | None = None,
) -> None:
    """Change what is given. Names and what is kept about somebody stay out of the audit log."""
    fields = {"about": about, "name": name, "in_training": in_training}
    given = {field: value for field, value in fields.items() if value is not None}
    with transaction.atomic():
        if given:
            for field, value in given.items():
                setattr(annotator, field, value)
            annotator.save(update_fields=list(given))
            record(
                project=annotator.project,
                by=by,
                what="annotator changed",
                annotator=annotator.ref,
                fields=list(given),
                in_training=annotator.in_training,
            )
        if paused is not None:
            (pause_annotator if paused else resume_annotator)(annotator=annotator, by=by)


def _keep_an_owner(member: Membership, *, stays: bool) -> None:
    """Locks the project's row, so that two owners can't step down at once."""
    Project.objects.select_for_update().get(pk=member.project_id)
    owners = Membership.objects.filter(project=member.project_id, role=Role.OWNER)
    if member.role == Role.OWNER and not stays and not owners.exclude(pk=member.pk).exists():
        raise Conflict(_("%(user)s is the only owner. Make somebody else an owner first.") % {"user": member.user})


def _give_back(*, project: Project, user: User) -> None:
    for annotator in Annotator.objects.filter(project=project, user=user):
        _release(annotator)


def _release(annotator: Annotator) -> None:
    end_leases(Assignment.objects.filter(annotator=annotator))
