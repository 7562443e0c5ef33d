"""The judging page in a real browser: Enter to the next pair on the screen, bytes, and an hour of judging.

The web server and database as ``attune up`` runs them, Chromium on the same machine. Time runs from the key event to the
second frame after it, when the next pair has been painted. HTML is counted as a proxy sends it, compressed by gzip.
"""

from __future__ import annotations

import gzip
import statistics
from typing import Any

from playwright.sync_api import CDPSession, Page, Response, sync_playwright

from bench.annotate_loop import PASSWORD, seed
from bench.site import database, web

ENTER = """
() => new Promise((resolve) => {
  const before = document.querySelector("#dock")?.dataset.dealt;
  const target = document.activeElement ?? document.body;
  const begin = performance.now();
  target.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", code: "Enter", bubbles: true, cancelable: true }));
  const look = () => {
    const now = document.querySelector("#dock")?.dataset.dealt;
    if (now && now !== before) requestAnimationFrame(() => resolve(performance.now() - begin));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""
READ_MS = 250
"""Between two judgments: far less than a person takes, enough for the reply to arrive."""


def run(quick: bool) -> dict[str, Any]:
    """Figures of one person's page; ``quick``: 40 judgments, else 400."""
    judgments = 40 if quick else 400
    with database() as home:
        from tests.journeys.conftest import CHROMIUM, FLAGS

        (email,) = seed(pairs=judgments + 100, people=1)
        with web(home) as port, sync_playwright() as playwright:
            path = {"executable_path": str(CHROMIUM)} if CHROMIUM.exists() else {}
            browser = playwright.chromium.launch(args=FLAGS, **path)
            page = browser.new_page(base_url=f"http://127.0.0.1:{port}", viewport={"width": 1440, "height": 900})
            try:
                return measure(page, email, judgments)
            finally:
                browser.close()


def measure(page: Page, email: str, judgments: int) -> dict[str, Any]:
    """Log in, load the page with an empty cache, judge."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    first = first_load(page)
    replies: list[Response] = []
    page.on("response", lambda response: replies.append(response) if response.url.endswith("/judge/") else None)
    begin = growth(page)
    times = [judge(page) for _ in range(judgments)]
    page.wait_for_timeout(1_000)
    end = growth(page)
    sizes = [weight(reply) for reply in replies]
    loads = [load(page) for _ in range(10)]
    return {
        "baseline": "loading the page anew, its files in the cache",
        "baseline, p50 ms": round(statistics.median(loads), 1),
        "judgments": judgments,
        "Enter to next on screen, p50 ms": round(statistics.median(times), 1),
        "Enter to next on screen, p95 ms": round(statistics.quantiles(times, n=20)[-1], 1),
        "first load, KB compressed": round(first / 1024, 1),
        "each next pair, KB compressed, median": round(statistics.median(sizes) / 1024, 2),
        "each next pair, KB compressed, most": round(max(sizes) / 1024, 2),
        "DOM nodes at the beginning": begin["Nodes"],
        "DOM nodes at the end": end["Nodes"],
        "event listeners at the beginning": begin["JSEventListeners"],
        "event listeners at the end": end["JSEventListeners"],
        "heap at the end, MB": round(end["JSHeapUsedSize"] / 2**20, 1),
        "script errors": len(errors),
        **stored(judgments),
    }


def judge(page: Page) -> float:
    """One judgment, ms from Enter to the next pair."""
    page.keyboard.press("2")
    page.wait_for_timeout(READ_MS)
    return float(page.evaluate(ENTER))


def load(page: Page) -> float:
    """The page again, ms until its scripts have run."""
    page.goto("/projects/bench/judge/", wait_until="load")
    return float(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))


def first_load(page: Page) -> int:
    """Bytes of the page and all that it loads, with nothing in the cache."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    total = 0

    def finished(event: dict[str, Any]) -> None:
        nonlocal total
        total += int(event["encodedDataLength"])

    session.on("Network.loadingFinished", finished)
    document = page.goto("/projects/bench/judge/", wait_until="networkidle")
    session.send("Network.setCacheDisabled", {"cacheDisabled": False})
    assert document
    plain = document.body()
    return total - len(plain) + len(gzip.compress(plain))


def weight(response: Response) -> int:
    return len(gzip.compress(response.body()))


def growth(page: Page) -> dict[str, float]:
    """What the page holds after rubbish was collected."""
    session: CDPSession = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = session.send("Performance.getMetrics")["metrics"]
    session.detach()
    return {metric["name"]: metric["value"] for metric in found}


def stored(submitted: int) -> dict[str, int]:
    """What the database has of it."""
    from annotator.models import Judgment

    return {"lost or doubled": submitted - Judgment.objects.count()}
