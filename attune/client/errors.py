"""What can go wrong between a client and a server."""

from __future__ import annotations

from collections.abc import Mapping

from attune.errors import AttuneError


class ClientError(AttuneError):
    """Base of the client's errors."""


class Unreachable(ClientError):
    """Nobody answers at the address, or the answer broke off, after all retries."""


class ApiError(ClientError):
    """The server refused: ``status``, a stable ``code``, what is wrong with which ``fields``."""

    def __init__(self, status: int, code: str, detail: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail
        self.fields = dict(fields or {})


class NotFoundError(ApiError):
    """There is no such thing, or it is not the caller's."""
