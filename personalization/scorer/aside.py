"""Threads of the web server that wait for the scorer step aside: others take their places meanwhile.

A few threads are best for a web process, as they share one interpreter lock; but a trainer that asks for one text a request, 64 at
once, fills the scorer's batches only if all 64 wait there together. So a thread that waits does not count, and its database
connection goes to whoever needs one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
_Task = tuple[Future[Any], Callable[[], Any]]

_here = threading.local()


@contextmanager
def aside() -> Iterator[None]:
    """Around a wait for something outside the process. Nothing happens on a thread that is no ``Places``' own."""
    places: Places | None = getattr(_here, "places", None)
    if places is None or not places.leave():
        yield
        return
    try:
        yield
    finally:
        places.come_back()


class Places(Executor):
    """At most ``threads`` run at a time, and at most ``most_aside`` more wait ``aside``.

    ``let_go`` is called on a thread that steps aside or ends: what it holds for itself, others may need.
    """

    def __init__(self, threads: int, *, most_aside: int, let_go: Callable[[], object] = lambda: None) -> None:
        self._threads, self._most_aside, self._let_go = threads, most_aside, let_go
        self._tasks: deque[_Task] = deque()
        self._everyone: set[threading.Thread] = set()
        self._present = self._idle = self._away = self._coming = 0
        """Threads in a place; those of them without work; those aside; those of these who want to come back."""
        self._over = False
        self._lock = threading.Lock()
        self._called, self._room = threading.Condition(self._lock), threading.Condition(self._lock)
        """What idle threads wait for, and what those wait for who come back."""

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        """See ``Executor.submit``."""
        future: Future[Result] = Future()
        with self._lock:
            if self._over:
                raise RuntimeError("these places have been shut down")
            self._tasks.append((future, lambda: fn(*args, **kwargs)))
            self._call_somebody()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See ``Executor.shutdown``. What was submitted before is still done, unless it is cancelled."""
        with self._lock:
            self._over = True
            while cancel_futures and self._tasks:
                self._tasks.popleft()[0].cancel()
            self._called.notify_all()
            everyone = list(self._everyone)
        for thread in everyone if wait else ():
            thread.join()

    def leave(self) -> bool:
        """The calling thread's place is free; False where too many are aside already."""
        with self._lock:
            if self._away >= self._most_aside:
                return False
            self._away += 1
        self._let_go()
        with self._lock:
            self._give_up_place()
            if self._tasks:
                self._call_somebody()
        return True

    def come_back(self) -> None:
        """Wait for a place. Those who come back go before work that has not begun."""
        with self._lock:
            self._coming += 1
            while self._present >= self._threads:
                self._called.notify()
                self._room.wait()
            self._coming -= 1
            self._away -= 1
            self._present += 1

    def _call_somebody(self) -> None:
        """For the work that waits: an idle thread, or a new one where there is a place."""
        if self._idle >= len(self._tasks):
            self._called.notify()
        elif self._present + self._coming < self._threads:
            self._present += 1
            thread = threading.Thread(target=self._work, daemon=True)
            self._everyone.add(thread)
            thread.start()

    def _give_up_place(self) -> None:
        self._present -= 1
        self._room.notify()

    def _work(self) -> None:
        _here.places = self
        while task := self._next():
            _do(*task)
        self._let_go()
        with self._lock:
            self._everyone.discard(threading.current_thread())

    def _next(self) -> _Task | None:
        """The next task; None where the thread shall end, as somebody comes back for its place or all is over."""
        with self._lock:
            while self._present + self._coming <= self._threads:
                if self._tasks:
                    return self._tasks.popleft()
                if self._over:
                    break
                self._idle += 1
                self._called.wait()
                self._idle -= 1
            self._give_up_place()
            return None


def _do(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # the future's reader gets it, as with any executor
        future.set_exception(error)
    else:
        future.set_result(result)
