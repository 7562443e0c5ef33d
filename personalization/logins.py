"""A login's deletion: the person as an annotator of every project, then the login, and a report that says what remains.

Whatever stops it half-way, the same call goes on: an annotator who is erased is found no more, and the login goes last.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotator.errors import Conflict, Forbidden, NotFound
from annotator.models import Annotator, Erasure, Membership, Project, Role, User
from annotator.services.leaving import remove_login
from annotator.services.tombstones import drop_login_tombstone, logins_come_back, put_login_tombstone
from personalization.erasing import erase_annotator, remains

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What hangs on a login: the annotators that it is, its other roles, and the projects that it alone owns."""

    annotators: list[Annotator]
    memberships: list[Membership]
    alone: list[Project]
    only_admin: bool


@dataclass(frozen=True, slots=True)
class Deletion:
    """What was done. ``removed`` counts rows of the login itself; each project has an erasure of its own."""

    erasures: list[Erasure] = field(default_factory=list)
    removed: dict[str, int] = field(default_factory=dict)

    @property
    def remains(self) -> list[str]:
        """What is left and why, in sentences; of the projects, what their erasures say."""
        about_login = _("Their login, which may be used in other projects.")
        left = [each for erasure in self.erasures for each in remains(erasure) if each != about_login]
        return [
            *dict.fromkeys(left),
            _(
                "What the login did as an owner or viewer (models trained, files uploaded, settings) stays, without its name."
            ),
            _("In the log of each project: that a member’s login was deleted, and when."),
        ]


def holdings_of(user: User) -> Holdings:
    """What would go, and what stands in the way."""
    memberships = list(user.memberships.select_related("project").order_by("project__name"))
    alone = [
        each.project
        for each in memberships
        if each.role == Role.OWNER
        and not Membership.objects.filter(project=each.project, role=Role.OWNER).exclude(user=user).exists()
    ]
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    return Holdings(
        list(Annotator.objects.filter(user=user).select_related("project", "user").order_by("project__name")),
        memberships,
        alone,
        only_admin=user.is_superuser and not others.exists(),
    )


def check_may_delete(*, user: User, by: User) -> None:
    """Themselves; a superuser; an owner of every project that the login is in. Raises ``Forbidden``."""
    if user.pk == by.pk or by.is_superuser:
        return
    owned = Membership.objects.filter(user=by, role=Role.OWNER).values("project")
    elsewhere = user.memberships.exclude(project__in=owned).exists()
    elsewhere = elsewhere or Annotator.objects.filter(user=user).exclude(project__in=owned).exists()
    if user.is_superuser or elsewhere:
        raise Forbidden(
            _(
                "This login is used in projects that are not yours. Remove them from yours, or erase what they said there; the login can be deleted by themselves or by an administrator."
            )
        )


def login_called(email: str, *, by: User) -> User:
    """The caller's own login, or one that a project of theirs has; any for a superuser. Raises ``NotFound`` for others, and
    ``Forbidden`` where the caller's token reaches one project alone."""
    if by.reaches_only is not None:
        raise Forbidden(_("A login may be in several projects; this token reaches one. Use one that is not limited."))
    email = email.replace("\x00", "\ufffd")
    if email.lower() == by.email.lower():
        return by
    found = User.objects.filter(email__iexact=email)
    if not by.is_superuser:
        owned = Project.objects.filter(memberships__user=by, memberships__role=Role.OWNER)
        found = found.filter(Q(memberships__project__in=owned) | Q(annotators__project__in=owned))
    if (user := found.first()) is None:
        raise NotFound(_("There is no login “%(email)s” in a project of yours.") % {"email": email})
    return user


def delete_login(*, user: User, by: User | None, send: bool = True, reapplied: bool = False) -> Deletion:
    """Erase the person in every project, then delete the login. ``by`` is who asks; None is the operator.

    Raises ``Conflict`` for the only owner of a project or the only administrator (nothing has happened then), ``Forbidden``
    where ``by`` may not, and what ``erase_annotator`` raises (what was erased until then stays erased).
    """
    if by is not None:
        check_may_delete(user=user, by=by)
    themselves = by is not None and by.pk == user.pk
    _check_replaceable(user)
    erasures = [
        erase_annotator(annotator=each, by=by, by_themselves=themselves, reapplied=reapplied, send=send)
        for each in holdings_of(user).annotators
    ]
    try:
        tombstone = put_login_tombstone(user)
    except OSError as error:
        raise Conflict(
            _("The login is not deleted: the artifacts storage takes no tombstone (%(error)s).") % {"error": error}
        ) from error
    try:
        with transaction.atomic():
            if not User.objects.select_for_update().filter(pk=user.pk).exists():
                raise NotFound(_("This login is gone already."))
            list(Project.objects.filter(memberships__user=user).select_for_update(of=("self",)))
            _check_replaceable(user)
            removed = remove_login(user=user, by=None if themselves else by, erasures=erasures)
    except BaseException:
        drop_login_tombstone(tombstone)
        raise
    log.info("a login is deleted, with %s erasures", len(erasures))
    return Deletion(erasures, removed)


def reapply_logins() -> list[Deletion]:
    """Delete again what a restored backup has brought back."""
    return [delete_login(user=user, by=None, reapplied=True) for user in logins_come_back()]


def _check_replaceable(user: User) -> None:
    found = holdings_of(user)
    if found.alone:
        names = ", ".join(f"“{each.name}”" for each in found.alone)
        raise Conflict(
            ngettext(
                "Nothing was deleted: %(names)s would have no owner. Make somebody else an owner, or delete it.",
                "Nothing was deleted: %(names)s would have no owner. Make somebody else an owner of each, or delete them.",
                len(found.alone),
            )
            % {"names": names}
        )
    if found.only_admin:
        raise Conflict(_("Nothing was deleted: this is the only administrator. Make somebody else one first."))
