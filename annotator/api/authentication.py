"""Who calls: a token as Bearer, or as the password of HTTP Basic for clients that can only put it into an address."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import timedelta
from hmac import compare_digest

from django.db.models import Q
from django.utils import timezone
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from annotator.models import ApiToken, User
from annotator.selectors.rows import columns, instance, width
from annotator.statements import Statement

_USED_AGAIN_AFTER = timedelta(minutes=1)


class ApiTokenAuthentication(BaseAuthentication):
    """``request.user`` and ``request.auth`` (the token). Scopes are checked by ``permissions.HasScope``, the project
    that a token is limited to by ``annotator.access``."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, credentials = get_authorization_header(request).partition(b" ")
        match scheme.lower():
            case b"bearer":
                return self._token_of(credentials.strip())
            case b"basic":
                return self._token_of(_password(credentials.strip()))
        return None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (the framework's signature)
        return 'Bearer realm="Attune"'

    def _token_of(self, plain: bytes) -> tuple[User, ApiToken]:
        text = plain.decode("ascii", errors="replace")
        digest = hash_token(text)
        key = text[: CONSTANTS.TOKEN_KEY_LENGTH]
        for token in _tokens(key):
            if compare_digest(digest, token.digest) and _usable(token):
                _note_use(token)
                token.user.reaches_only = token.project_id
                return token.user, token
        raise AuthenticationFailed("The token is unknown, revoked or expired.")


_TOKENS = Statement(f"""
SELECT {columns(ApiToken, "t")}, {columns(User, "u")} FROM annotator_apitoken t JOIN annotator_user u ON u.id = t.user_id
WHERE t.token_key = %(key)s AND t.token_key <> ''
""")


def _tokens(key: str) -> Iterator[ApiToken]:
    """Tokens that begin so (more than one by chance only), with their users."""
    for row in _TOKENS.run({"key": key}):
        token = instance(ApiToken, row[: width(ApiToken)])
        token.user = instance(User, row[width(ApiToken) :])
        yield token


def _usable(token: ApiToken) -> bool:
    return token.user.is_active and (token.expiry is None or token.expiry > timezone.now())


def _note_use(token: ApiToken) -> None:
    """At most one write a minute, however many requests there are."""
    now = timezone.now()
    stale = now - _USED_AGAIN_AFTER
    if token.last_used_at is None or token.last_used_at < stale:
        unused = ApiToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=stale), pk=token.pk)
        unused.update(last_used_at=now)


def _password(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except binascii.Error:
        raise AuthenticationFailed("The Basic credentials are not base64 of “user:token”.") from None
