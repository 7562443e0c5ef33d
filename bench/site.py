"""A real site to measure: an embedded Postgres that writes to disk, and the web server as `attune up` runs it."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import httpx

from config.local.ports import free_port
from config.local.postgres import EmbeddedPostgres
from config.local.process import LOOPBACK, spawn, stop
from config.local.table import programs

SETTINGS = "bench.settings"
_FIELD = re.compile(r'name="([a-z_]+)"[^>]*?\svalue="([^"]*)"')


@contextmanager
def database() -> Iterator[Path]:
    """A new database in a temporary folder, durable as in production; this process's Django is set up on it."""
    home = Path(tempfile.mkdtemp(prefix="attune-bench-"))
    server = EmbeddedPostgres(home, log=home / "postgres.log")
    try:
        server.start()
        os.environ |= {"DATABASE_URL": server.url, "ATTUNE_HOME": str(home), "DJANGO_SETTINGS_MODULE": SETTINGS}
        os.environ["BROKER_URL"] = "redis://127.0.0.1:1/0"  # nobody there: judging does not need one
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        yield home
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def web(home: Path, *, scorer_url: str = "") -> Iterator[int]:
    """The web server of the process table, answering on the port that is given."""
    port = free_port()
    row = next(row for row in programs(port=port, scorer_socket=home / "scorer.sock") if row.name == "web")
    child = spawn(row.command, log=home / "web.log", env=os.environ | dict(row.env) | {"SCORER_URL": scorer_url})
    try:
        _wait(port, child, home / "web.log")
        yield port
    finally:
        stop(child, ask=signal.SIGTERM, patience=10)


@contextmanager
def scorer(home: Path) -> Iterator[str]:
    """The scorer of the process table, with its encoder loaded; its socket."""
    socket = home / "scorer.sock"
    row = next(row for row in programs(port=0, scorer_socket=socket) if row.name == "scorer")
    child = spawn(row.command, log=home / "scorer.log", env=os.environ | dict(row.env))
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as client:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and child.poll() is None:
                with suppress(httpx.HTTPError):
                    if client.get("http://scorer/readyz").status_code == 200:
                        break
                time.sleep(0.2)
            else:
                raise RuntimeError(f"the scorer did not start:\n{(home / 'scorer.log').read_text()[-2000:]}")
        yield str(socket)
    finally:
        stop(child, ask=signal.SIGTERM, patience=10)


def _wait(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if Browser(port).get("/livez")[0] == 200:
                return
        except OSError:
            pass
        if child.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the web server did not start:\n{log.read_text()[-2000:]}")


@dataclass
class Browser:
    """A connection that is kept open, and cookies. As little client as possible: it shares the cores."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)

    def get(self, path: str) -> tuple[int, str]:
        return self._ask("GET", path, None, {})

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> tuple[int, str]:
        """A form as htmx sends it; the CSRF token is taken from its cookie."""
        token = {"X-CSRFToken": self.cookies.get("csrftoken", ""), "Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, urlencode(form), token | headers)

    def login(self, email: str, password: str) -> None:
        self.get("/accounts/login/")
        status, page = self.post("/accounts/login/", {"login": email, "password": password})
        if status != 302 or "sessionid" not in self.cookies:
            raise RuntimeError(f"login of {email} answered {status}: {page[:300]}")

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            self.connection.request(method, path, body, headers | {"Cookie": cookie})
            response = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):  # kept open too long
            self.connection.close()
            self.connection.request(method, path, body, headers | {"Cookie": cookie})
            response = self.connection.getresponse()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return response.status, response.read().decode()


def fields(page: str) -> dict[str, str]:
    """Names and values of a page's form fields; the last one of a name counts."""
    return dict(_FIELD.findall(page))
