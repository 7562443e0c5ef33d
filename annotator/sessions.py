"""Sessions in the database (``settings.SESSION_ENGINE``), read by a statement that is planned once: every page begins so."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import db
from django.utils import timezone

from annotator.statements import Statement

_SESSION = Statement("SELECT session_data FROM django_session WHERE session_key = %(key)s AND expire_date > %(now)s")


class SessionStore(db.SessionStore):
    """Django's own store; only reading is ours."""

    def load(self) -> dict[str, Any]:
        """What the session holds; nothing, under no key, where there is none or it has ended."""
        found = _SESSION.run({"key": self.session_key, "now": timezone.now()})
        if not found:
            self._session_key = None
            return {}
        return self.decode(found[0][0])
