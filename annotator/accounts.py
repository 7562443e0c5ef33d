"""How people get an account (an owner's invitation, never an open form) and are known again."""

from __future__ import annotations

from functools import cache

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from annotator.models import User
from annotator.selectors.rows import columns, instance
from annotator.sessions import user_beside
from annotator.statements import Statement


class ClosedSignup(DefaultAccountAdapter):
    """Sign-up is closed; accounts come from invitations (``annotator.services.people``)."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 (allauth passes it)
        return False


class Backend(AuthenticationBackend):
    """allauth's own; only reading the user of a session is ours: every page begins so."""

    def get_user(self, user_id: int) -> User | None:
        """The user of a session; None for one who is gone or was shut out."""
        user = user_beside(int(user_id)) or _read(user_id)
        return user if user and self.user_can_authenticate(user) else None


def _read(user_id: int) -> User | None:
    found = _user().run({"user": user_id})
    return instance(User, found[0]) if found else None


@cache
def _user() -> Statement:
    return Statement(f"SELECT {columns(User, 'u')} FROM annotator_user u WHERE u.id = %(user)s")
