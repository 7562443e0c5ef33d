"""Threads that wait step aside: how many run, how many wait, who goes first, and that nothing is forgotten."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait

import pytest

from personalization.scorer.aside import Places, aside

PATIENCE = 20.0


class Counter:
    """How many are inside at a time, and the most there ever were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


@pytest.fixture
def places() -> Iterator[Callable[..., Places]]:
    made: list[Places] = []

    def make(threads: int, **options: object) -> Places:
        made.append(Places(threads, **{"most_aside": 64, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.shutdown(wait=True)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.002)


def test_many_wait_together_and_few_run(places: Callable[..., Places]) -> None:
    pool, waiting, running, go = places(2), Counter(), Counter(), threading.Event()

    def work(number: int) -> int:
        with running:
            time.sleep(0.001)
        with aside(), waiting:
            assert go.wait(PATIENCE)
        with running:
            time.sleep(0.001)
        return number

    futures = [pool.submit(work, number) for number in range(40)]
    until(lambda: waiting.now == 40)
    go.set()
    assert [future.result(PATIENCE) for future in futures] == list(range(40))
    assert running.most == 2


def test_without_waiting_it_is_a_pool_of_so_many_threads(places: Callable[..., Places]) -> None:
    pool, running = places(3), Counter()
    seen: set[int] = set()

    def work() -> None:
        with running:
            seen.add(threading.get_ident())
            time.sleep(0.002)

    assert not wait([pool.submit(work) for _ in range(60)], PATIENCE).not_done
    assert running.most == 3
    assert len(seen) == 3


def test_no_more_step_aside_than_may(places: Callable[..., Places]) -> None:
    pool, waiting, go = places(1, most_aside=4), Counter(), threading.Event()

    def work() -> None:
        with aside(), waiting:
            assert go.wait(PATIENCE)

    futures = [pool.submit(work) for _ in range(9)]
    until(lambda: waiting.now == 5)  # four aside, and one that keeps its place
    time.sleep(0.05)
    assert waiting.now == 5
    go.set()
    assert not wait(futures, PATIENCE).not_done


def test_who_comes_back_goes_before_new_work(places: Callable[..., Places]) -> None:
    pool, order = places(1), list[str]()
    left, go, coming = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with aside():
            left.set()
            assert go.wait(PATIENCE)
        order.append("came back")

    def busy() -> None:
        go.set()
        until(lambda: pool._coming == 1)  # there is no other way to know that it waits
        coming.set()
        order.append("was busy")

    waits = pool.submit(first)
    assert left.wait(PATIENCE)
    others = [pool.submit(busy), pool.submit(order.append, "new")]
    assert not wait([waits, *others], PATIENCE).not_done
    assert order == ["was busy", "came back", "new"]


def test_what_a_thread_holds_is_let_go_where_it_holds_it(places: Callable[..., Places]) -> None:
    let_go: list[int] = []
    pool = places(1, let_go=lambda: let_go.append(threading.get_ident()))

    def work() -> int:
        with aside():
            assert let_go == [threading.get_ident()]
        return threading.get_ident()

    assert pool.submit(work).result(PATIENCE) in let_go


def test_errors_reach_the_future_and_the_place_is_free_again(places: Callable[..., Places]) -> None:
    pool = places(1)

    def fails() -> None:
        with aside():
            raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        pool.submit(fails).result(PATIENCE)
    assert pool.submit(str, 5).result(PATIENCE) == "5"


def test_elsewhere_nothing_happens() -> None:
    with aside():
        pass


def test_after_shutdown_what_was_submitted_is_done_or_cancelled(places: Callable[..., Places]) -> None:
    pool, go = places(1), threading.Event()
    first, second = pool.submit(go.wait, PATIENCE), pool.submit(str, 1)
    until(first.running)
    pool.shutdown(wait=False, cancel_futures=True)
    go.set()
    assert first.result(PATIENCE) is True
    with pytest.raises(CancelledError):
        second.result(PATIENCE)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(str, 1)


def test_a_long_day(places: Callable[..., Places]) -> None:
    """Thousands of tasks from several threads that step aside by chance: each is done once, never too many run."""
    pool, running, done = places(3, most_aside=8), Counter(), list[int]()

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(chance.randrange(3)):
            with running:
                pass
            with aside():
                time.sleep(chance.random() * 0.001)
        with running:
            done.append(number)

    def caller(start: int) -> None:
        assert not wait([pool.submit(work, number) for number in range(start, start + 400)], PATIENCE).not_done

    callers = [threading.Thread(target=caller, args=(start,)) for start in range(0, 2_000, 400)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(PATIENCE)
    assert sorted(done) == list(range(2_000))
    assert running.most <= 3
