"""The one error family of this app. Pages and API each translate it in one place."""

from __future__ import annotations

from collections.abc import Mapping


class AnnotatorError(Exception):
    """Base: ``str`` is fit to show to a person; ``code`` is stable for programs; ``status`` is HTTP's."""

    code = "error"
    status = 400

    def __init__(self, message: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Invalid(AnnotatorError):
    """A value is not what was expected; ``fields`` says which and why."""

    code = "invalid"
    status = 422


class NotFound(AnnotatorError):
    """There is no such thing, or it is not the caller's."""

    code = "not_found"
    status = 404


class Forbidden(AnnotatorError):
    """The caller can see it, but their role does not allow this."""

    code = "forbidden"
    status = 403


class LeaseLost(AnnotatorError):
    """The lease ran out and the pair went to somebody else, or the owner withdrew it."""

    code = "lease_lost"
    status = 409


class Conflict(AnnotatorError):
    """It contradicts what is stored: an idempotency key with another payload, a second judgment of a pair."""

    code = "conflict"
    status = 409
