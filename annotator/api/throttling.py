"""How much one token may ask: so many requests in each minute of the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from annotator.models import ApiToken

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports the default throttles, which are ours

WINDOW = 60


@dataclass(frozen=True, slots=True)
class Rate:
    """What a token had and has left in this window, and seconds until the next one."""

    limit: int
    remaining: int
    reset: int


class TokenRate(BaseThrottle):
    """One count in the cache per token and minute; the answer's headers say what is left of it."""

    def __init__(self) -> None:
        self._wait = WINDOW

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 (the framework's signature)
        token = request.auth
        if not isinstance(token, ApiToken):
            return True
        limit = settings.API_REQUESTS_PER_MINUTE if token.rate_limit is None else token.rate_limit
        if not limit:
            return True
        window, passed = divmod(int(time.time()), WINDOW)
        self._wait = WINDOW - passed
        asked = _count(f"rate:{token.pk}:{window}")
        request._request.rate = Rate(limit, max(0, limit - asked), self._wait)  # type: ignore[attr-defined]  # noqa: SLF001
        return asked <= limit

    def wait(self) -> float:
        return self._wait


def _count(key: str) -> int:
    """One more, whoever else counts at the same time."""
    if cache.add(key, 1, timeout=2 * WINDOW):
        return 1
    try:
        return cache.incr(key)
    except ValueError:  # it ran out a moment ago
        return 1
