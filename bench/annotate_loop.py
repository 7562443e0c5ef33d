"""The annotate loop over HTTP: people log in, submit, and get the next pair in the same answer.

10,000 pairs of 360 words, the web server and database as ``attune up`` runs them, one client per person on the same
machine. The baseline is a bare Django view with a login and one query, on the same server in the same run.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.site import Browser, database, fields, web

PASSWORD = "correct horse battery"
TEXT = "the pan boil water ten minutes slowly and then taste it with salt because good things need **care** or `heat`"
WORDS = tuple(TEXT.split())
CAP = 2
WARM_UP = 5
Seconds = list[float]


def run(quick: bool) -> dict[str, Any]:
    """Figures of the loop for one user and for eight at once, beside the baseline's."""
    pairs, alone, together = (1000, 60, 25) if quick else (10_000, 400, 150)
    with database() as home:
        emails = seed(pairs=pairs, people=9)
        with web(home) as port:
            return measure(port, home, emails, alone, together) | {"pairs": pairs}


def seed(*, pairs: int, people: int) -> list[str]:
    """A project with ``pairs`` pairs of about 360 words each, and its annotators."""
    from annotator.models import Annotator, Membership, Pair, Project, Prompt, Response, Role, User

    rng = random.Random(4)
    project = Project.objects.create(
        slug="bench", name="Bench", overlap=CAP, reason_tags=[{"key": "clear", "label": "Clear"}]
    )
    prompts = Prompt.objects.bulk_create(
        (
            Prompt(
                project=project, ref=str(n), messages=[{"role": "user", "content": text}], text=text, digest=f"{n:064x}"
            )
            for n in range(pairs)
            for text in [_words(rng, 20)]
        ),
        batch_size=2000,
    )
    responses = Response.objects.bulk_create(
        (
            Response(
                prompt=prompt, ref=f"{side}", text=_words(rng, 170), digest=uuid.UUID(int=rng.getrandbits(128)).hex
            )
            for prompt in prompts
            for side in "ab"
        ),
        batch_size=2000,
    )
    Pair.objects.bulk_create(
        (
            Pair(project=project, prompt_id=a.prompt_id, response_a=a, response_b=b, cap=CAP)
            for a, b in zip(responses[::2], responses[1::2], strict=True)
        ),
        batch_size=2000,
    )
    users = [User.objects.create_user(f"user{n}@example.org", PASSWORD) for n in range(people)]
    for user in users:
        Membership.objects.create(project=project, user=user, role=Role.ANNOTATOR)
        Annotator.objects.create(project=project, user=user, ref=user.email)
    _settle()
    return [user.email for user in users]


def _words(rng: random.Random, count: int) -> str:
    words = [rng.choice(WORDS) for _ in range(count)]
    return "\n\n".join(" ".join(words[start : start + 60]).capitalize() + "." for start in range(0, count, 60))


def _settle() -> None:
    """As a database is some time after an import."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def measure(port: int, home: Path, emails: list[str], alone: int, together: int) -> dict[str, Any]:
    """Without a model, then with one that is adapted after every judgment and chooses the next pair.

    A judgment waits for one flush of the disk, whose time depends on what others write to it: so that is measured, too.
    """
    browsers = [_logged_in(port, email) for email in emails]
    one, *eight = browsers
    plain, plain_rate = _times(one, _plain, alone), _at_once(eight, together, plain=True)
    base, base_rate = statistics.median(plain), plain_rate.per_second
    figures: dict[str, Any] = {
        "baseline": "a bare Django view with a login and one query, same server",
        "baseline, 1 user, p50 ms": _ms(base),
        "baseline, 8 users, requests/s": round(base_rate, 1),
    }
    submitted = 0
    for name in ("without a model", "with a live model"):
        if name == "with a live model":
            promote_a_model()
        flush = _flush(home)
        times, crowd = _times(one, Judge(one), alone), _at_once(eight, together)
        submitted += WARM_UP + len(times) + len(crowd.times)
        figures[name] = {
            "baseline, a flush of the disk, p50 ms before and after": [_ms(flush), _ms(_flush(home))],
            "1 user, submit to next, p50 ms": _ms(statistics.median(times)),
            "1 user, submit to next, p95 ms": _ms(_p95(times)),
            "1 user, p50, times the baseline": round(statistics.median(times) / base, 2),
            "8 users, judgments/s": round(crowd.per_second, 1),
            "8 users, judgments/s, share of the baseline": round(crowd.per_second / base_rate, 3),
            "8 users, p50 ms": _ms(statistics.median(crowd.times)),
            "8 users, p95 ms": _ms(_p95(crowd.times)),
        }
    return figures | _stored(submitted)


def _flush(home: Path) -> float:
    """Seconds that a page of the database's size takes to the disk and back, the median of a few."""
    page, times = bytes(8192), []
    with (home / "flush").open("wb", buffering=0) as file:
        for _ in range(100):
            begin = time.perf_counter()
            file.seek(0)
            file.write(page)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def promote_a_model() -> None:
    """A live hybrid as it is fitted to the starter project, its items dealt out by chance to the responses here.

    So what it says is noise, and what it costs is real.
    """
    from annotator.models import Project, Response
    from attune.rewards.hybrid import Hybrid
    from attune.rewards.tastes import NUMBER
    from bench.attune_core import fitted_to_starter
    from tests.personalization.worlds import store_version

    fitted, _ = fitted_to_starter()
    tensors, config = fitted.state()
    ids = [str(pk) for pk in Response.objects.values_list("pk", flat=True)]
    table = fitted.parts.table[np.random.default_rng(0).integers(0, len(fitted.parts.ids), len(ids))]
    table[:, NUMBER] = np.arange(1, len(ids) + 1)
    model = Hybrid.from_state({**tensors, "table": table}, {**config, "ids": ids})
    store_version(Project.objects.get(slug="bench"), model)


def _stored(submitted: int) -> dict[str, int]:
    """What the database has of it."""
    from django.db.models import Count, F, Q

    from annotator.models import Judgment, Pair

    judged = Count("judgments", filter=Q(judgments__current=True, judgments__occasion=0))
    return {
        "submitted": submitted,
        "lost or doubled": submitted - Judgment.objects.count(),
        "pairs over their cap": Pair.objects.annotate(judged=judged).filter(judged__gt=F("cap")).count(),
    }


class Judge:
    """One person at work on the judging page: each call submits what is shown and reads what comes next."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        status, page = browser.get("/projects/bench/judge/")
        assert status == 200, page[:500]
        self.form = fields(page)

    def __call__(self, browser: Browser) -> None:
        form = {
            "assignment": self.form["assignment"],
            "client_key": self.form["client_key"],
            "page_version": "1",
            "seconds": "3.2",
            "position": "2",
            "a_good": "clear",
            "rationale": "",
        }
        status, page = browser.post("/projects/bench/judge/", form, **{"HX-Request": "true"})
        if status != 200:
            raise RuntimeError(f"submit answered {status}: {page[:300]}")
        before, self.form = self.form["assignment"], fields(page)
        if self.form.get("assignment") in (None, before):
            raise RuntimeError(f"no next pair: {page[:300]}")


def _plain(browser: Browser) -> None:
    status, page = browser.get("/bench/plain/")
    if status != 200:
        raise RuntimeError(f"the baseline answered {status}: {page[:300]}")


def _logged_in(port: int, email: str) -> Browser:
    browser = Browser(port)
    browser.login(email, PASSWORD)
    return browser


def _times(browser: Browser, act: Callable[[Browser], None], count: int) -> Seconds:
    """Seconds of ``count`` acts, after a few to warm up."""
    for _ in range(WARM_UP):
        act(browser)
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        act(browser)
        times.append(time.perf_counter() - begin)
    return times


@dataclass(frozen=True)
class Crowd:
    """What several people at once came to."""

    times: Seconds
    per_second: float


def _at_once(browsers: list[Browser], count: int, *, plain: bool = False) -> Crowd:
    """Everybody does ``count`` acts at the same time; no warming up. Raises what went wrong for any of them."""
    acts = [_plain if plain else Judge(browser) for browser in browsers]
    times: Seconds = []
    errors: list[Exception] = []

    def work(browser: Browser, act: Callable[[Browser], None]) -> None:
        try:
            for _ in range(count):
                begin = time.perf_counter()
                act(browser)
                times.append(time.perf_counter() - begin)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=job) for job in zip(browsers, acts, strict=True)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return Crowd(times, len(times) / (time.perf_counter() - begin))


def _p95(times: Seconds) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
