"""Requests as plain values, when to try one again, and what an answer means: shared by both clients."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx

import attune
from attune.client.errors import ApiError, NotFoundError, Unreachable

T = TypeVar("T")

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed. Everything is safe to repeat: writes carry an Idempotency-Key."""
IN_FLIGHT = "in_flight"
PIECE = 1 << 18
"""Bytes of a file that are in memory at a time."""
TIMEOUT = httpx.Timeout(120.0, connect=5.0)
"""A cold scorer loads its encoder first."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Up to ``attempts`` tries. Waits are drawn evenly from zero to ``first``·2ⁿ seconds, never above ``longest`` (full
    jitter), and never below what the server's Retry-After says. One that asks for more than ``patience`` seconds in all is
    not waited for."""

    attempts: int = 6
    first: float = 0.5
    longest: float = 20.0
    patience: float = 120.0

    def wait(self, failed: int, asked: float | None, draw: Callable[[], float] = random.random) -> float:
        """Seconds before the next try, after ``failed`` (1, 2, …) that went wrong. ``asked`` is the server's own."""
        jitter = draw() * min(self.longest, self.first * 2.0 ** (failed - 1))
        return jitter if asked is None else asked + jitter * min(1.0, asked)


USUAL = Retry()


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``path`` is below /api/v1/ unless it begins with a slash."""

    method: str
    path: str
    json: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Path | None = None
    """A file is sent in pieces, and from its beginning with every try; ``headers`` say how long it is."""

    @property
    def url(self) -> str:
        return self.path if self.path.startswith(("/", "http://", "https://")) else f"/api/v1/{self.path}"


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """A request and how to read its answer."""

    call: Call
    read: Callable[[httpx.Response], T]


def write(path: str, json: Any = None, *, method: str = "POST", key: str | None = None, **headers: str) -> Call:
    """A request that changes something, with an idempotency key that all its retries share."""
    return Call(method, path, json, headers={"Idempotency-Key": key or str(uuid.uuid4()), **headers})


def pieces_of(path: Path) -> Iterator[bytes]:
    """The file's bytes. Raises ``OSError``."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


async def pieces_of_async(path: Path) -> AsyncIterator[bytes]:
    """The same, read beside the event loop."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


def default_headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "User-Agent": f"attune/{attune.__version__}", "Accept": "*/*"}


def may_retry(response: httpx.Response) -> bool:
    """Whether the same request may succeed later."""
    return response.status_code in AGAIN or (response.status_code == 409 and _problem(response)["code"] == IN_FLIGHT)


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait, from either form of the header; None where it does not."""
    given = response.headers.get("Retry-After", "").strip()
    if not given:
        return None
    if given.isascii() and given.isdigit():
        return float(given)
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def checked(response: httpx.Response) -> httpx.Response:
    """The response, if it is a success. Raises ``ApiError``."""
    if response.is_success:
        return response
    problem = _problem(response)
    kind = NotFoundError if response.status_code == 404 else ApiError
    raise kind(response.status_code, problem["code"], problem["detail"], problem["fields"])


def unreachable(base: str, error: httpx.HTTPError) -> Unreachable:
    """An httpx error as the client's own."""
    return Unreachable(f"Nobody answers at {base}: {error or type(error).__name__}.")


def _problem(response: httpx.Response) -> dict[str, Any]:
    """Problem details, or as much of them as there is: a proxy's page has none."""
    try:
        body = response.json()
    except ValueError:
        body = None
    found = body if isinstance(body, dict) else {}
    fields = found.get("fields")
    return {
        "code": str(found.get("code", "error")),
        "detail": str(found.get("detail", response.text[:200] or response.reason_phrase)),
        "fields": fields if isinstance(fields, dict) else {},
    }
