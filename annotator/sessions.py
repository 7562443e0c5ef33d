"""Sessions in the database (``settings.SESSION_ENGINE``), read by a statement that is planned once: every page begins so.

The user of a session is read with it, where this process remembers whose it was.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.utils import timezone

from annotator.models import User
from annotator.selectors.rows import columns, instance
from annotator.statements import Statement
from attune.recent import Recent

_REMEMBERED = 10_000
_owners: Recent[str, int] = Recent(_REMEMBERED)
_user_beside: ContextVar[User | None] = ContextVar("user_beside", default=None)


class SessionStore(db.SessionStore):
    """Django's own store; only reading is ours."""

    def load(self) -> dict[str, Any]:
        """What the session holds; nothing, under no key, where there is none or it has ended."""
        key = self.session_key
        found = _session().run({"key": key, "now": timezone.now(), "user": _owners.get(key or "")})
        _user_beside.set(None)
        if not found:
            self._session_key = None
            return {}
        data, *user = found[0]
        session = self.decode(data)
        if user[0] is not None:
            _user_beside.set(instance(User, user))
        if key and SESSION_KEY in session:
            _owners.keep(key, int(session[SESSION_KEY]))
        return session


def user_beside(user_id: int) -> User | None:
    """The user as read with the session of this very request; None, and none a second time, if another or nobody was."""
    user = _user_beside.get()
    _user_beside.set(None)
    return user if user and user.pk == user_id else None


@cache
def _session() -> Statement:
    return Statement(
        f"SELECT s.session_data, {columns(User, 'u')} FROM django_session s"
        " LEFT JOIN annotator_user u ON u.id = %(user)s::bigint"
        " WHERE s.session_key = %(key)s AND s.expire_date > %(now)s"
    )
