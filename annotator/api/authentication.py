"""Bearer and Basic (token as the password, for clients that can only put it into the address)."""

from __future__ import annotations

from typing import Any

from knox.auth import TokenAuthentication
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request


class ApiTokenAuthentication(BaseAuthentication):
    """Replaced below once the API is in place."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        header = get_authorization_header(request).split()
        if len(header) != 2 or header[0].lower() != b"bearer":
            return None
        try:
            return TokenAuthentication().authenticate_credentials(header[1])
        except exceptions.AuthenticationFailed:
            raise exceptions.AuthenticationFailed("The token is unknown, revoked or expired.") from None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
