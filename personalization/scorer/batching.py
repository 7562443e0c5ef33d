"""Many small requests, few encoder calls: texts that arrive within a few milliseconds are encoded together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np

from personalization.scorer.wire import Array, Text

Encode = Callable[[Sequence[Text]], Array]


class Overloaded(Exception):
    """More texts are waiting than the scorer takes; ``retry_after`` is in seconds."""

    def __init__(self, waiting: int, retry_after: int) -> None:
        super().__init__(f"{waiting} texts are already waiting")
        self.retry_after = retry_after


class MicroBatcher:
    """Encodes for one encoder. A text that is waiting or under way is not encoded a second time.

    ``window`` (seconds) is how long the first text of a batch waits for company; ``max_waiting`` bounds the queue.
    Use it from one event loop only; ``executor`` runs the encoder, so the loop stays free.
    """

    def __init__(self, encode: Encode, executor: Executor, *, window: float, max_batch: int, max_waiting: int) -> None:
        self._encode, self._executor = encode, executor
        self._window, self._max_batch, self._max_waiting = window, max_batch, max_waiting
        self._waiting: list[Text] = []
        self._futures: dict[Text, asyncio.Future[Array]] = {}
        self._since = 0.0  # when the first of the waiting texts came
        self._runner: asyncio.Task[None] | None = None
        self._rate = 20.0  # texts a second, as last measured

    async def vectors(self, texts: Sequence[Text]) -> Array:
        """Vectors of N texts, (N, D), in their order. Raises ``Overloaded``, or whatever the encoder raised."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._futures]
        if fresh and self._waiting and len(self._waiting) + len(fresh) > self._max_waiting:
            raise Overloaded(len(self._waiting), max(1, round(len(self._waiting) / self._rate)))
        loop = asyncio.get_running_loop()
        for text in fresh:
            self._futures[text] = loop.create_future()
        if fresh and not self._waiting:
            self._since = loop.time()
        self._waiting += sorted(fresh, key=lambda text: len(text[1]))  # little padding in each batch
        if fresh and (self._runner is None or self._runner.done()):
            self._runner = asyncio.create_task(self._run())
        futures = [self._futures[text] for text in texts]
        await asyncio.wait(futures)  # unlike gather, leaves shared futures alone when this caller goes away
        return np.stack([future.result() for future in futures])

    async def _run(self) -> None:
        """What came while a batch was under way has waited long enough: the encoder goes on at once."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            left = self._since + self._window - loop.time()
            if len(self._waiting) < self._max_batch and left > 0:
                await asyncio.sleep(left)
            batch, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
            await self._run_batch(batch)

    async def _run_batch(self, batch: list[Text]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        futures = [self._futures[text] for text in batch]
        try:
            rows = await loop.run_in_executor(self._executor, self._encode, batch)
            self._rate = len(batch) / max(loop.time() - started, 1e-3)
            for future, row in zip(futures, rows, strict=True):
                future.set_result(row)
        except Exception as error:  # the callers' to handle: each of them gets it
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        finally:
            for text in batch:
                del self._futures[text]
