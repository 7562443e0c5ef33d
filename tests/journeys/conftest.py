"""A real browser against a real server: Debian's Chromium where there is one, else Playwright's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.signals import request_finished, request_started
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.factories import PASSWORD

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = os.environ.get("ATTUNE_SHOTS", "")
"""A folder: every ``shoot`` also writes its page there at both widths, light and dark."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: while it is open an event loop runs, which would break later tests of asyncio."""
    with sync_playwright() as playwright:
        path = {"executable_path": str(CHROMIUM)} if CHROMIUM.exists() else {}
        chromium = playwright.chromium.launch(args=FLAGS, **path)
        yield chromium
        chromium.close()


class UnderWay:
    """The requests that the server is at: what a closed page has asked for goes on without it."""

    def __init__(self) -> None:
        self._count, self._changed = 0, threading.Condition()

    def begun(self, **_: object) -> None:
        self._add(1)

    def over(self, **_: object) -> None:
        self._add(-1)

    def wait_for_none(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._count <= 0, seconds)

    def _add(self, change: int) -> None:
        with self._changed:
            self._count += change
            self._changed.notify_all()


@pytest.fixture
def under_way() -> Iterator[UnderWay]:
    counted = UnderWay()
    request_started.connect(counted.begun, weak=False)
    request_finished.connect(counted.over, weak=False)
    yield counted
    request_started.disconnect(counted.begun)
    request_finished.disconnect(counted.over)


@pytest.fixture
def context(browser: Browser, live_server: Any, under_way: UnderWay) -> Iterator[BrowserContext]:
    made = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    made.set_default_timeout(10_000)
    made.set_default_navigation_timeout(30_000)  # the first page of a process imports everything
    yield made
    made.close()
    assert under_way.wait_for_none(20), "the tables can't be emptied while a request reads them"


@pytest.fixture
def troubles() -> list[str]:
    """Script errors and refused resources of the page so far."""
    return []


@pytest.fixture
def page(context: BrowserContext, troubles: list[str]) -> Iterator[Page]:
    """A page that fails its test on any script error or refused resource."""
    opened = context.new_page()
    opened.on("pageerror", lambda error: troubles.append(f"script error: {error}"))
    opened.on("console", lambda said: troubles.append(said.text) if "Content Security Policy" in said.text else None)
    yield opened
    assert not troubles, troubles


@pytest.fixture
def forget_cookies(under_way: UnderWay) -> Callable[[Page], None]:
    """The browser of this page knows nobody any more; what the page still asks for can't bring a cookie back."""

    def act(page: Page) -> None:
        page.goto("about:blank")
        assert under_way.wait_for_none(20), "what the page asked for would bring its cookies back"
        page.wait_for_load_state("networkidle")  # what the server is done with, the browser may have yet to read
        page.context.clear_cookies()

    return act


@pytest.fixture
def sign_in(page: Page, under_way: UnderWay) -> Callable[[str], None]:
    """Sign in by the form, as the person with this address."""

    def act(email: str, password: str = PASSWORD) -> None:
        page.goto("about:blank")
        assert under_way.wait_for_none(20), "what the last page asked for would bring its cookies to the form"
        page.goto("/accounts/login/")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/accounts/login" not in url)

    return act


@pytest.fixture
def check_page(page: Page, troubles: list[str]) -> Callable[[str], None]:
    """axe finds nothing, and nothing scrolls sideways, at both widths; with ATTUNE_SHOTS pictures are kept."""

    def act(name: str) -> None:
        before = list(troubles)
        for width, height in ((1440, 900), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
                if SHOTS:
                    Path(SHOTS).mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=f"{SHOTS}/{name}-{width}-{scheme}.png", full_page=True)
                found = Axe().run(page)
                assert found.violations_count == 0, f"{name} {width} {scheme}: {found.generate_report()}"
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name} scrolls sideways by {wide} px at {width}"
        page.set_viewport_size({"width": 1440, "height": 900})
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        troubles[:] = before  # axe and the pictures set styles of their own, which the page's policy refuses

    return act
