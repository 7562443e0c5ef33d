"""Rewards under load, as trainers ask for them: many at once, new texts, for hours. Web, scorer and database as `attune up` runs them.

Each figure has its baseline in the same run: `/livez` of the same server under the same load, or the scorer asked for whole
batches without anything in front of it.
"""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil

from bench.score import PER_PROMPT, _p95, _seed
from bench.site import database, scorer, web
from config.local.process import LOOPBACK

CALLERS = 8
AT_ONCE = 64
WORDS = [
    "the",
    "pan",
    "boil",
    "water",
    "ten",
    "minutes",
    "slowly",
    "and",
    "then",
    "taste",
    "it",
    "with",
    "salt",
    "until",
]


def run(quick: bool) -> dict[str, Any]:
    """Figures under load."""
    seconds, many, rounds, each = (3.0, 2_000, 1, 4) if quick else (10.0, 100_000, 3, 12)
    with database() as home:
        world = _seed()
        _more_people(1_000)
        with scorer(home) as socket, web(home, scorer_url=f"unix:{socket}") as port:
            known = _Load(port, world["token"])
            body = world["body"]
            livez = known.rate(seconds, lambda caller: caller.get("/livez"))
            cached = known.rate(seconds, lambda caller: caller.score(body))
            figures: dict[str, Any] = {
                "baseline": "/livez under the same load; the scorer alone",
                f"baseline /livez, {CALLERS} callers, requests/s": round(livez.rate),
                f"64 cached texts, {CALLERS} callers, requests/s": round(cached.rate),
                "of the baseline": round(cached.rate / livez.rate, 3),
                f"64 cached texts, {CALLERS} callers, p50 ms": round(1000 * statistics.median(cached.times), 2),
                f"64 cached texts, {CALLERS} callers, p95 ms": round(1000 * _p95(cached.times), 2),
            }
            figures |= _one_pass(_Caller(port, world["token"]))
            figures |= _batch_of_one(port, world["token"], socket, rounds, each)
            figures |= _memory(known, body, many)
        return figures


def _one_pass(caller: _Caller) -> dict[str, Any]:
    """1,000 users, the same 64 new texts, in one request; and once more, when they are known."""
    texts = list(_fresh(64, words=60))
    asked = {"project": "bench", "items": [{"prompt": "Who knows?", "completions": texts}]}
    asked["users"] = [f"p{n}" for n in range(1_000)]
    first, took = _timed(lambda: caller.ask("/api/v1/score/batch", asked))
    again, warm = _timed(lambda: caller.ask("/api/v1/score/batch", asked))
    return {
        "1,000 users × 64 new texts: texts encoded": first["usage"]["encoded"],
        "1,000 users × 64 new texts, s": round(took, 2),
        "1,000 users × the same texts again: texts encoded": again["usage"]["encoded"],
        "1,000 users × the same texts again, s": round(warm, 2),
    }


def _batch_of_one(port: int, token: str, socket: str, rounds: int, each: int) -> dict[str, Any]:
    """New texts a second: one a request, 64 requests at once, against the scorer asked for whole batches of 64."""
    from personalization.scorer.client import connections
    from personalization.scorer.wire import pack_texts

    alone, together, busy, work = [], [], [], []
    direct = connections(f"unix:{socket}")
    callers = [_Caller(port, token) for _ in range(AT_ONCE)]
    for _ in range(rounds):
        texts = list(_fresh(each * AT_ONCE, words=100))
        batches = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]

        def whole(batches: list[list[str]] = batches) -> None:
            for batch in batches:
                direct.post("/encode", pack_texts("minilm+style", [("Why?", text) for text in batch]))

        before, (_, took) = _scorer_cpu(), _timed(whole)
        usual = (_scorer_cpu() - before) / took
        each_alone = (_scorer_cpu() - before) / len(texts)
        alone.append(len(texts) / took)
        fresh = list(_fresh(each * AT_ONCE, words=100))

        def single(number: int, fresh: list[str] = fresh) -> None:
            for text in fresh[number::AT_ONCE]:
                callers[number].ask("/api/v1/score", {"project": "bench", "prompt": "Why?", "completions": [text]})

        with ThreadPoolExecutor(AT_ONCE) as pool:
            before, (_, took) = _scorer_cpu(), _timed(lambda pool=pool: list(pool.map(single, range(AT_ONCE))))
        together.append(len(fresh) / took)
        spent = _scorer_cpu() - before
        busy.append(spent / took / usual)
        work.append(each_alone / (spent / len(fresh)))
    direct.close()
    connections.cache_clear()
    ratios = [one / batch for one, batch in zip(together, alone, strict=True)]
    return {
        "baseline scorer alone, batches of 64, texts/s": round(statistics.median(alone), 1),
        "64 at once, one new text each, texts/s": round(statistics.median(together), 1),
        "of the scorer's own": round(statistics.median(ratios), 3),
        "of the scorer's own, each round": [round(ratio, 3) for ratio in ratios],
        "the scorer's share of a core, of that when alone": round(statistics.median(busy), 3),
        "texts for a second of the scorer's processor, of those when alone": round(statistics.median(work), 3),
    }


def _scorer_cpu() -> float:
    children = psutil.Process().children(recursive=True)
    times = [each.cpu_times() for each in children if any("uvicorn" in part for part in each.cmdline())]
    return sum(each.user + each.system for each in times)


def _memory(load: _Load, body: bytes, many: int) -> dict[str, Any]:
    """Resident memory of the web server's processes after a tenth of the requests, and after all."""
    load.count(many // 10, lambda caller: caller.score(body))
    before = _resident()
    load.count(many - many // 10, lambda caller: caller.score(body))
    return {
        f"memory of the web after {many // 10:,} requests, MB": round(before, 1),
        f"memory of the web after {many:,} requests, MB": round(after := _resident(), 1),
        "grown by, MB": round(after - before, 1),
    }


def _resident() -> float:
    """Of the web server's processes, in MB; what they share with each other counts once for each."""
    children = psutil.Process().children(recursive=True)
    web = [each for each in children if any("gunicorn" in part for part in each.cmdline())]
    return sum(each.memory_info().rss for each in web) / 1e6


class _Caller:
    """One connection that is kept open. As little client as possible: it shares the cores."""

    def __init__(self, port: int, token: str) -> None:
        self.connection = http.client.HTTPConnection(LOOPBACK, port, timeout=120)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def get(self, path: str) -> bytes:
        return self._send("GET", path, None)

    def score(self, body: bytes) -> None:
        answer = self._send("POST", "/api/v1/score", body)
        if answer.count(b'"cached":true') != PER_PROMPT:
            raise RuntimeError(f"not what was to be measured: {answer[:300]!r}")

    def ask(self, path: str, body: object) -> Any:
        return json.loads(self._send("POST", path, json.dumps(body).encode()))

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        try:
            self.connection.request(method, path, body, self.headers)
            response = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):  # kept open too long
            self.connection.close()
            self.connection.request(method, path, body, self.headers)
            response = self.connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {content[:300]!r}")
        return content


class _Rate:
    def __init__(self, times: list[float], seconds: float) -> None:
        self.times, self.rate = times, len(times) / seconds


class _Load:
    """``CALLERS`` connections that ask as fast as they are answered."""

    def __init__(self, port: int, token: str) -> None:
        self.callers = [_Caller(port, token) for _ in range(CALLERS)]

    def rate(self, seconds: float, act: Callable[[_Caller], object]) -> _Rate:
        """Requests a second, after a warm-up."""
        self.count(CALLERS * 20, act)
        end = time.perf_counter() + seconds
        self._fresh()

        def work(caller: _Caller) -> list[float]:
            times = []
            while (begin := time.perf_counter()) < end:
                act(caller)
                times.append(time.perf_counter() - begin)
            return times

        with ThreadPoolExecutor(CALLERS) as pool:
            begin = time.perf_counter()
            times = [each for found in pool.map(work, self.callers) for each in found]
            return _Rate(times, time.perf_counter() - begin)

    def _fresh(self) -> None:
        """New connections: the server closes those that were idle."""
        for caller in self.callers:
            caller.connection.close()

    def count(self, requests: int, act: Callable[[_Caller], object]) -> None:
        self._fresh()
        left = iter(range(requests))
        lock = threading.Lock()

        def work(caller: _Caller) -> None:
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                act(caller)

        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(work, self.callers))


_numbers = iter(range(10**9))


def _fresh(count: int, *, words: int) -> Iterator[str]:
    """Texts that nobody has seen, alike in length."""
    rng = np.random.default_rng(next(_numbers))
    for _ in range(count):
        yield f"{next(_numbers)} " + " ".join(rng.choice(WORDS, words))


def _timed(act: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    found = act()
    return found, time.perf_counter() - begin


def _more_people(count: int) -> None:
    """Who have each judged three pairs."""
    from annotator.models import Annotator, Judgment, Pair, Project
    from bench.score import _judge

    project = Project.objects.get(slug="bench")
    pairs = list(Pair.objects.filter(project=project)[:3])
    people = Annotator.objects.bulk_create(Annotator(project=project, ref=f"p{n}") for n in range(count))
    for annotator in people:
        _judge(project, annotator, pairs)
    assert Judgment.objects.filter(annotator=people[0]).count() == len(pairs)
