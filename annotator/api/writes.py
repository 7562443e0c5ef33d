"""Writes that may be repeated: the header Idempotency-Key, and the answer that is kept for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from rest_framework.exceptions import ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from annotator.api.permissions import caller
from annotator.services.idempotency import MAX_KEY, Outcome, once


def idempotency_key(request: Request) -> str:
    """The header. Raises ``ParseError`` where it is missing or too long."""
    key: str = request.headers.get("Idempotency-Key", "").strip()
    if not key:
        raise ParseError("The header Idempotency-Key is missing: a text of your choice, new for every write.")
    if len(key) > MAX_KEY:
        raise ParseError(f"The Idempotency-Key has {len(key)} characters; at most {MAX_KEY} are allowed.")
    return key


def client_key(request: Request, key: str, part: str = "") -> UUID:
    """The judgment's own key: the same request, or the same ``part`` of one, gives the same judgment."""
    return uuid5(NAMESPACE_URL, f"attune:{caller(request).pk}:{key}{part}")


def written_once(request: Request, write: Callable[[], tuple[int, object]]) -> Response:
    """Answer with ``write``'s status and body, or with those of the first request under this key."""
    key = idempotency_key(request)

    def outcome() -> Outcome:
        status, body = write()
        return Outcome(status, _as_json(body))

    payload = json.dumps(request.data, sort_keys=True).encode()
    kept = once(user=caller(request), key=key, route=f"POST {request.path}", payload=payload, write=outcome)
    headers = {"Idempotent-Replayed": "true"} if kept.replayed else None
    return Response(kept.body, status=kept.status, headers=headers)


def _as_json(body: object) -> Any:
    """The body in JSON's own types, to be kept for retries."""
    return json.loads(JSONRenderer().render(body))
