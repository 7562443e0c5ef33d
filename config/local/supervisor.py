"""`attune up`: embedded servers and programs as children of one process, kept alive, stopped together.

One thread, no framework: start in order, look at the children four times a second, restart the dead ones after a
growing pause, stop everything on Ctrl-C. When this process is killed, the kernel tells its children and the watchdog
ends whatever is left.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

import psutil

from config.local import folders, home, postgres, valkey
from config.local.children import Child, Children
from config.local.embedded import EmbeddedServer
from config.local.errors import LocalError
from config.local.ports import check_port, serves_http
from config.local.process import LOOPBACK, last_line, spawn
from config.local.table import Program
from config.local.watchdog import CHILD_MARK, MARK, end_marked

_TICK = 0.25
_READY_PATIENCE = 90.0
_PREDECESSOR_PATIENCE = 20.0  # how long the children of a killed supervisor may take to end
_LOG_LIMIT = 10 * 1024 * 1024


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal. Not an Exception: nothing but the supervisor may catch it."""


class Supervisor:
    """Runs `programs` on `folder` and, unless DATABASE_URL and BROKER_URL name others, the embedded servers."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        programs: Sequence[Program],
        env: Mapping[str, str],
        say: Callable[[str], None] = print,
    ) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self._token = secrets.token_hex(16)
        paths = {"ATTUNE_HOME": str(folder), "PORT": str(port)}
        self._env = {"PYTHONUNBUFFERED": "1", **env, **paths, MARK: self._token}
        self._table = programs
        self.say = say
        self._servers: list[EmbeddedServer] = []
        self._server_children = Children(token=self._token, say=say)
        self._programs = Children(token=self._token, say=say)
        self._lock = -1

    @property
    def database_url(self) -> str:
        """Where the children find the database; known once the servers run."""
        return self._env["DATABASE_URL"]

    def run(self, *, before: Callable[[], None], beside: Callable[[], None], ready: Callable[[], None]) -> None:
        """Start everything and stay until told to stop.

        First the servers, then `before`, then the first program, which is the web server, with `beside` meanwhile;
        the others once it answers, so that a page is there early, and then `ready`.
        Raises LocalError when something cannot start.
        """
        home.prepare_home(self.folder)
        self._lock = self._claim_folder()
        _listen_to_signals()
        watchdog, leash = self._start_watchdog()
        try:
            check_port(self.port)
            self._start_servers()
            before()
            self._start_programs(self._table[:1])
            beside()
            self._wait_until_ready()
            self._start_programs(self._table[1:])
            ready()
            while True:
                time.sleep(_TICK)
                self._tend()
        except Stopped:
            self.say("stopping")
        finally:
            self._stop_all()
            os.close(leash)
            watchdog.wait()
            (self.folder / "up.json").unlink(missing_ok=True)
            os.close(self._lock)

    def run_once(self, name: str, argv: Sequence[str]) -> None:
        """Run a short-lived program among the children and wait for it. Raises LocalError if it fails."""
        log = self._log(name)
        child = self._spawn(name, argv)
        if child.wait() != 0:
            raise LocalError(f"{name} failed: {last_line(log)}", mend=f"read {log}")

    def _start_programs(self, table: Sequence[Program]) -> None:
        for program in table:
            child = Child(program.name, self._launcher(program), self._log(program.name), patience=program.patience)
            self._programs.add(child)
            child.start()

    def _claim_folder(self) -> int:
        """Hold the folder, which the children of a killed supervisor may still do for a moment."""
        path = self.folder / "up.lock"
        lock = folders.try_lock(path)
        if lock is None:
            if url := running_url(self.folder):
                raise LocalError(f"Attune already runs on {self.folder}, at {url}", mend="stop it first")
            lock = folders.wait_for_lock(path, patience=_PREDECESSOR_PATIENCE)
        state = {"pid": os.getpid(), "born": psutil.Process().create_time(), "url": self.url}
        folders.write_secret(self.folder / "up.json", json.dumps(state))
        return lock

    def _start_watchdog(self) -> tuple[subprocess.Popen[bytes], int]:
        """The watchdog, and the end of its pipe that only we hold."""
        its_end, our_end = os.pipe()
        watchdog = subprocess.Popen(
            [sys.executable, "-m", "config.local.watchdog", self._token],
            stdin=its_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folders.CHECKOUT,
            start_new_session=True,
        )
        os.close(its_end)
        return watchdog, our_end

    def _start_servers(self) -> None:
        place = folders.servers_folder(self.folder)
        if place != self.folder:
            self.say(f"the servers keep their data in {place}: their account cannot reach {self.folder}")
        if not self._env.get("BROKER_URL"):
            self._env["BROKER_URL"] = self._start_server(valkey.EmbeddedValkey(place, log=self._log("valkey")))
        if not self._env.get("DATABASE_URL"):
            self._env["DATABASE_URL"] = self._start_server(postgres.EmbeddedPostgres(place, log=self._log("postgres")))

    def _start_server(self, server: EmbeddedServer) -> str:
        self._servers.append(server)
        child = Child(server.name, lambda: server.start(env=self._marked(server.name)), server.log)
        child.start()
        self._server_children.add(child)
        return server.url

    def _launcher(self, program: Program) -> Callable[[], subprocess.Popen[bytes]]:
        return lambda: self._spawn(program.name, program.command, program.env)

    def _spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        return spawn(
            argv,
            log=self._log(name),
            env={**self._marked(name), **(env or {})},
            keep_fds=[self._lock],
            cwd=folders.CHECKOUT,
        )

    def _marked(self, name: str) -> dict[str, str]:
        return {**self._env, CHILD_MARK: name}

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_PATIENCE
        while not serves_http(self.port):
            if time.monotonic() > deadline:
                raise LocalError(
                    f"the web server did not answer in {_READY_PATIENCE:.0f} s", mend="run `attune doctor`"
                )
            time.sleep(0.05)
            self._tend()

    def _tend(self) -> None:
        self._server_children.tend()
        self._programs.tend()

    def _stop_all(self) -> None:
        """Programs first, then the servers they use; a second Ctrl-C kills at once."""
        for number in (signal.SIGTERM, signal.SIGHUP):  # whoever sent one may send the other
            signal.signal(number, signal.SIG_IGN)
        try:
            self._programs.stop()
            for server in reversed(self._servers):
                server.stop()
        except Stopped:
            self.say("killing")
        end_marked(self._token)

    def _log(self, name: str) -> Path:
        log = folders.make_private(self.folder / "logs") / f"{name}.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        return log


def running_url(folder: Path) -> str | None:
    """Where the supervisor that runs on `folder` serves, or None when none does."""
    try:
        state = json.loads((folder / "up.json").read_text())
        alive = psutil.Process(int(state["pid"])).create_time() == state["born"]
    except (FileNotFoundError, NotADirectoryError, psutil.NoSuchProcess):
        return None
    return str(state["url"]) if alive else None


def _listen_to_signals() -> None:
    """Stop in order on Ctrl-C, SIGTERM and a closed terminal; `nohup` keeps its meaning."""
    signal.signal(signal.SIGINT, _raise_stopped)
    signal.signal(signal.SIGTERM, _raise_stopped)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _raise_stopped)


def _raise_stopped(_number: int, _frame: FrameType | None) -> None:
    raise Stopped
