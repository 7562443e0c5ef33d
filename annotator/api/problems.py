"""Errors as RFC 9457 problem details. The API's one translator; ``annotator.middleware`` is the pages'."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from annotator.errors import AnnotatorError

CONTENT_TYPE = "application/problem+json"


def problem_response(error: Exception, _context: dict[str, Any]) -> Response | None:
    """The answer to an error; None for one that nobody foresaw, which stays a 500 with its trace in the log."""
    set_rollback()
    if isinstance(error, AnnotatorError):
        return _problem(error.status, error.code, str(error), error.fields, _retry(getattr(error, "retry_after", None)))
    if isinstance(error, exceptions.ValidationError):
        fields = _flat(error.detail)
        return _problem(422, "invalid", " ".join(f"{name}: {text}" for name, text in fields.items()), fields)
    if isinstance(error, exceptions.APIException):
        headers = _retry(getattr(error, "wait", None))
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        return _problem(error.status_code, _code(error), str(error.detail), {}, headers)
    if isinstance(error, Http404):
        return _problem(404, "not_found", "There is no such thing, or it is not yours.")
    if isinstance(error, PermissionDenied):
        return _problem(403, "forbidden", str(error) or "This is not allowed.")
    if isinstance(error, RequestDataTooBig):
        return _problem(413, "too_large", "The body is longer than the server takes.")
    return None


def _problem(
    status: int, code: str, detail: str, fields: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if fields:
        body["fields"] = fields
    return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)


def _retry(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(max(1, round(seconds)))}


def _code(error: exceptions.APIException) -> str:
    codes = error.get_codes()
    return codes if isinstance(codes, str) else "error"


def _flat(detail: Any, path: str = "") -> dict[str, str]:
    """A serializer's nested errors by dotted path: ``{"tags.0.side": "…"}``."""
    if isinstance(detail, dict):
        found: dict[str, str] = {}
        for name, inner in detail.items():
            own = name == "non_field_errors"
            found |= _flat(inner, path if own else f"{path}.{name}" if path else str(name))
        return found
    if isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        return {key: text for i, inner in enumerate(detail) for key, text in _flat(inner, f"{path}.{i}").items()}
    texts = detail if isinstance(detail, list) else [detail]
    return {path or "body": " ".join(str(text) for text in texts)}
