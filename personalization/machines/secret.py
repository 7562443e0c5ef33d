"""Keys of judges' endpoints at rest: encrypted under the installation's secret, so that a copy of the database alone gives none."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.utils.translation import gettext as _

from personalization.errors import MachineUnusable

PURPOSE = b"attune machine annotator key/1:"


def sealed(key: str) -> str:
    """The key as it is stored; nothing stays nothing."""
    return _box().encrypt(key.encode()).decode() if key else ""


def opened(stored: str) -> str:
    """The key again. Raises ``MachineUnusable`` where the installation's secret has changed since."""
    if not stored:
        return ""
    try:
        return _box().decrypt(stored.encode()).decode()
    except InvalidToken:
        raise MachineUnusable(
            _("The judge’s key was stored under another SECRET_KEY and can’t be read any more; enter it again.")
        ) from None


def _box() -> Fernet:
    digest = hashlib.sha256(PURPOSE + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
