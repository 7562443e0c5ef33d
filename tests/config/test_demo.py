"""`attune demo` with everything real: what a person who has just cloned the repository meets."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from config.local.folders import CHECKOUT, servers_folder
from config.local.ports import free_port
from config.local.postgres import running_url
from tests.config.conftest import is_alive, processes_with, run_python, wait_until

pytestmark = pytest.mark.timeout(300)  # the machine may be shared
DEMO = "from attune.cli import main; main(['demo'])"
COUNT = """
from config.local.session import local_django
with local_django():
    from annotator.models import Judgment
    print(Judgment.objects.filter(project__slug="everyday").count())
"""
SAID_LAST = "Ctrl-C stops it; the data stays."


class Demo:
    """One `attune demo` over `home`, with nothing given by the environment."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.output = home.with_name(f"output-{time.monotonic_ns()}")
        given = {name: value for name, value in os.environ.items() if name not in _SERVERS}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DEMO],
                cwd=CHECKOUT,
                env={**given, "ATTUNE_HOME": str(home), "PORT": str(port)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: SAID_LAST in self.said() or self.process.poll() is not None, seconds=110)
        assert SAID_LAST in self.said(), self.said()

    def said(self) -> str:
        return self.output.read_text()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def access(self) -> dict[str, dict[str, str]]:
        return json.loads((self.home / "demo.json").read_text())


_SERVERS = {"DATABASE_URL", "BROKER_URL", "SCORER_URL", "DJANGO_SETTINGS_MODULE", "SECRET_KEY"}


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="attune-") as created:
        Path(created).chmod(0o711)
        home = Path(created) / "var"
        started = Demo(home, free_port())
        yield started
        if started.process.poll() is None:
            started.process.send_signal(signal.SIGINT)
            started.process.wait(timeout=60)
        wait_until(lambda: not processes_with("ATTUNE_HOME", str(home)), seconds=30)


def test_it_prints_what_it_writes_for_programs(demo: Demo) -> None:
    access = demo.access()
    assert set(access) == {"url", "annotator", "owner", "token"}
    assert set(access["annotator"]) == set(access["owner"]) == {"email", "password"}
    assert access["url"] == f"http://127.0.0.1:{demo.port}"
    for shown in (access["url"], access["token"], *access["annotator"].values(), *access["owner"].values()):
        assert shown in demo.said()
    assert stat.S_IMODE((demo.home / "demo.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("role", ["annotator", "owner"])
def test_both_logins_enter(demo: Demo, role: str) -> None:
    granted = demo.access()[role]
    with httpx.Client(base_url=f"http://127.0.0.1:{demo.port}", follow_redirects=True) as browser:
        page = browser.get("/accounts/login/").text
        [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[:1]
        form = {"csrfmiddlewaretoken": token, "login": granted["email"], "password": granted["password"]}
        answer = browser.post("/accounts/login/", data=form)
        assert answer.status_code == 200
        assert "Everyday answers" in answer.text


def test_the_token_opens_the_api(demo: Demo) -> None:
    headers = {"Authorization": f"Bearer {demo.access()['token']}"}
    address = f"http://127.0.0.1:{demo.port}/api/v1/projects/everyday/next?annotator=simulated-01"
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, headers=headers).status_code != 401


def test_everything_of_the_table_runs_and_only_loopback_is_bound(demo: Demo) -> None:
    named = {process.environ().get("ATTUNE_CHILD") for process in psutil.Process(demo.process.pid).children()}
    table = {"web", "scorer", "worker-default", "worker-train", "beat"}
    assert named - {None} == table | {"postgres", "valkey"}
    listening = [
        entry.laddr
        for process in demo.family()
        for entry in process.net_connections("inet")
        if entry.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert demo.port in {address.port for address in listening}
    logs = {path.stem for path in (demo.home / "logs").glob("*.log")}
    assert named - {None} <= logs


def test_commands_work_over_the_running_servers(demo: Demo) -> None:
    assert 3_900 <= judgments(demo.home) <= 4_100


def test_after_a_kill_the_second_start_is_quick_and_keeps_everything(demo: Demo) -> None:
    before, access = judgments(demo.home), demo.access()
    family = demo.family()
    demo.process.kill()
    demo.process.wait()
    wait_until(lambda: not any(is_alive(process) for process in family), seconds=20)

    asked_at = time.monotonic()
    second = Demo(demo.home, demo.port)
    took = time.monotonic() - asked_at
    demo.process = second.process  # the fixture ends it, should we fail

    assert "preparing" not in second.said()
    assert "writing the starter project" not in second.said()
    assert second.access() == access
    assert judgments(demo.home) == before
    assert took < 15  # under 5 on an idle machine; others may be at work on this one

    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(timeout=60) == 0
    assert not processes_with("ATTUNE_HOME", str(demo.home))
    assert judgments(demo.home) == before  # over a Postgres of the command's own
    assert running_url(servers_folder(demo.home)) is None


def judgments(home: Path) -> int:
    """As a command in another terminal counts them."""
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings.local", "DATABASE_URL": "", "BROKER_URL": ""}
    return int(run_python(COUNT, ATTUNE_HOME=str(home), **settings))
