"""The real scorer on a unix socket, in a thread of the test process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from personalization.scorer.app import make_app


@contextmanager
def running_scorer(folder: Path) -> Iterator[str]:
    """Its ``SCORER_URL``."""
    socket = folder / "scorer.sock"
    server = uvicorn.Server(uvicorn.Config(make_app(warm="style"), uds=str(socket), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive(), "the scorer did not start"
        assert time.monotonic() < deadline, "the scorer starts slowly"
        time.sleep(0.01)
    try:
        yield f"unix:{socket}"
    finally:
        server.should_exit = True
        thread.join(10)
