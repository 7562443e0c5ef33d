"""Invitation links: make, withdraw, and join by one. Only a link's hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotator.errors import Conflict, Invalid, NotFound
from annotator.models import Annotator, Invite, Membership, Project, Role, User
from annotator.services.audit import record
from annotator.services.people import annotator_of

MAX_USES = 1_000
MAX_DAYS = 365
GONE = gettext_noop(
    "This invitation link does not exist, has run out, or was withdrawn. Ask the project’s owner for a new one."
)


def create_invite(
    *, project: Project, by: User, role: Role = Role.ANNOTATOR, max_uses: int = 1, days: int = 7, note: str = ""
) -> tuple[Invite, str]:
    """A new invitation and the secret part of its link, which nothing can show a second time."""
    fields = {}
    if not 1 <= max_uses <= MAX_USES:
        fields["max_uses"] = _("%(uses)s is not between 1 and %(most)s.") % {
            "uses": max_uses,
            "most": MAX_USES,
        }
    if not 1 <= days <= MAX_DAYS:
        fields["days"] = _("%(days)s is not between 1 and %(most)s.") % {"days": days, "most": MAX_DAYS}
    if role == Role.OWNER and max_uses > 1:
        fields["max_uses"] = _("A link that makes owners can be used once only.")
    if fields:
        raise Invalid(_("The invitation can’t be made so."), fields=fields)
    token = secrets.token_urlsafe(24)
    with transaction.atomic():
        invite = Invite.objects.create(
            project=project,
            role=role,
            digest=_digest(token),
            note=note[:200],
            max_uses=max_uses,
            expires_at=timezone.now() + timedelta(days=days),
            created_by=by,
        )
        record(project=project, by=by, what="invite made", invite=invite.pk, role=role, uses=max_uses, days=days)
    return invite, token


def revoke_invite(*, invite: Invite, by: User) -> None:
    """Withdraw the link. Who joined by it stays. Harmless where it is withdrawn already."""
    with transaction.atomic():
        if Invite.objects.filter(pk=invite.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(project=invite.project, by=by, what="invite withdrawn", invite=invite.pk)


def usable_invite(token: str) -> Invite:
    """The invitation behind a link. Raises ``NotFound`` where it can't be used (any more), without saying why."""
    invite = _find(token)
    if not invite.usable or invite.project.archived_at:
        raise NotFound(_(GONE))
    return invite


def membership_by(*, token: str, user: User) -> Membership | None:
    """What the user is already in the project that the link leads to, used up or not. Raises ``NotFound``."""
    return Membership.objects.filter(project=_find(token).project, user=user).first()


def join_project(*, token: str, user: User, in_training: bool) -> Membership:
    """Make the user a member with the link's role; ``in_training`` is their consent to train the shared model.

    A member stays what they are and the link keeps its use. Raises ``NotFound`` where the link can't be used.
    """
    invite = _find(token)
    with transaction.atomic():
        member, made = Membership.objects.get_or_create(
            project=invite.project, user=user, defaults={"role": invite.role}
        )
        if not made:
            return member
        _use(invite)
        if member.role != Role.VIEWER:
            annotator = annotator_of(project=invite.project, user=user)
            Annotator.objects.filter(pk=annotator.pk).update(in_training=in_training)
        record(project=invite.project, by=user, what="joined", invite=invite.pk, role=member.role)
    return member


def register_and_join(*, token: str, name: str, email: str, password: str, in_training: bool) -> User:
    """Make an account and join with it, both or neither.

    Raises ``NotFound`` for the link, ``Invalid`` with ``fields`` for what was entered, and ``Conflict`` where the
    address has an account already.
    """
    usable_invite(token)
    user = User(email=email.strip().lower(), name=name.strip())
    _check_account(user, password)
    try:
        with transaction.atomic():
            user = User.objects.create_user(user.email, password, name=user.name)
            join_project(token=token, user=user, in_training=in_training)
    except IntegrityError as error:
        raise Conflict(
            _("%(email)s has an account already. Sign in with it, then open the link again.") % {"email": user.email}
        ) from error
    return user


def _check_account(user: User, password: str) -> None:
    fields: dict[str, str] = {}
    if not user.name:
        fields["name"] = _("Please say what to call you.")
    elif len(user.name) > 120:
        fields["name"] = _("At most 120 characters; this has %(n)s.") % {"n": len(user.name)}
    try:
        validate_email(user.email)
    except ValidationError:
        fields["email"] = _("“%(email)s” is not an e-mail address.") % {"email": user.email[:80]}
    try:
        validate_password(password, user)
    except ValidationError as error:
        fields["password"] = " ".join(error.messages)
    if fields:
        raise Invalid(_("The account can’t be made so."), fields=fields)
    if User.objects.filter(email=user.email).exists():
        raise Conflict(
            _("%(email)s has an account already. Sign in with it, then open the link again.") % {"email": user.email}
        )


def _find(token: str) -> Invite:
    invite = Invite.objects.select_related("project", "created_by").filter(digest=_digest(token)).first()
    if invite is None:
        raise NotFound(_(GONE))
    return invite


def _use(invite: Invite) -> None:
    """Count one use, by a conditional update, so that of two people with the last use one gets it."""
    usable = Invite.objects.filter(
        pk=invite.pk,
        project__archived_at=None,
        revoked_at=None,
        uses__lt=F("max_uses"),
        expires_at__gt=timezone.now(),
    )
    if not usable.update(uses=F("uses") + 1):
        raise NotFound(_(GONE))


def _digest(token: str) -> str:
    """A plain hash will do: the token has 192 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()
