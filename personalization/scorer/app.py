"""The scorer: ``uvicorn personalization.scorer.app:app``. Texts in, vectors out; knows no database and no Django.

``POST /encode`` takes ``{"encoder", "texts": [[prompt, response], …]}`` and answers float32 rows (``scorer.wire``).
It has no authentication: bind it to a unix socket, to loopback or to a private network, never to a public address.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

# Read when torch is first imported, which the encoder does later: leave a core to the web processes.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from attune.encoders import DEFAULT_ENCODER, get_encoder
from attune.errors import AttuneError, BadData
from personalization.scorer.batching import MicroBatcher, Overloaded
from personalization.scorer.wire import DIM_HEADER, MAX_BODY_BYTES, VECTOR_TYPE, Array, pack_vectors, unpack_texts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How requests are put together, and when they are refused."""

    window: float = 0.007  # seconds that the first text of a batch waits for company
    max_batch: int = 32  # texts in one call of the encoder; while it works, the next ones come in
    max_waiting: int = 4096  # texts in the queue before it answers 429


def make_app(*, warm: str = DEFAULT_ENCODER, bounds: Bounds = Bounds()) -> Starlette:
    """The application. ``warm`` is the encoder loaded before ``/readyz`` says yes; others load when first asked for."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with ThreadPoolExecutor(1, thread_name_prefix="encoder") as executor:  # an encoder uses several cores by itself
            app.state.queues = Queues(executor, bounds)
            app.state.warm = asyncio.create_task(app.state.queues.of(warm).vectors([("Warm", "up")]))
            yield
            app.state.warm.cancel()

    routes = [Route("/encode", encode, methods=["POST"]), Route("/livez", livez), Route("/readyz", readyz)]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={ClientDisconnect: gone})


class Queues:
    """One queue per encoder, all of them on the one encoding thread."""

    def __init__(self, executor: Executor, bounds: Bounds) -> None:
        self._executor, self._bounds = executor, bounds
        self._batchers: dict[str, MicroBatcher] = {}

    def of(self, encoder: str) -> MicroBatcher:
        """The encoder's queue, made on first use. Raises ``BadData`` for an unknown encoder."""
        if encoder not in self._batchers:
            self._batchers[encoder] = MicroBatcher(get_encoder(encoder).encode, self._executor, **asdict(self._bounds))
        return self._batchers[encoder]


async def encode(request: Request) -> Response:
    """``POST /encode``: 200 with the vectors, 413 or 422 for a bad body, 429 when too much waits, 500 otherwise."""
    try:
        body = await _bounded_body(request)
        if body is None:
            return _problem(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        encoder, texts = unpack_texts(body)
        vectors = await request.app.state.queues.of(encoder).vectors(texts)
    except BadData as error:
        return _problem(422, str(error))
    except Overloaded as error:
        return _problem(429, str(error), {"Retry-After": str(error.retry_after)})
    except AttuneError as error:
        log.exception("encoding failed")
        return _problem(500, str(error))
    return Response(pack_vectors(vectors), media_type=VECTOR_TYPE, headers={DIM_HEADER: str(vectors.shape[1])})


async def _bounded_body(request: Request) -> bytes | None:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"status": status, "detail": detail}, status, headers, "application/problem+json")


async def livez(_: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """The first encoder is loaded; 503 with the reason while it is not."""
    warm: asyncio.Task[Array] = request.app.state.warm
    if not warm.done():
        return PlainTextResponse("the encoder is loading", 503)
    if warm.exception():
        return PlainTextResponse(f"the encoder failed to load: {warm.exception()}", 503)
    return PlainTextResponse("ready")


async def gone(_: Request, __: Exception) -> Response:
    """For the log: nobody reads it."""
    return PlainTextResponse("the client went away", 499)


app = make_app()
