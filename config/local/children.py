"""The supervised children: each started with a log of its own and restarted with a growing pause when it dies."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.local.errors import LocalError
from config.local.process import last_line, wait_or_kill
from config.local.watchdog import end_marked

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
_CALM = 30.0  # a child that lived this long is restarted after the first pause again


@dataclass
class Child:
    """One child and the history of its restarts; `launch` starts it anew."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    log: Path
    patience: float = 5.0
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.0
    restart_at: float = 0.0

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = self.launch()

    def plan_restart(self) -> None:
        """The pause starts small and doubles with every quick death."""
        calm = time.monotonic() - self.started > _CALM
        self.pause = FIRST_PAUSE if calm or not self.pause else min(self.pause * 2, LONGEST_PAUSE)
        self.restart_at = time.monotonic() + self.pause
        self.process = None


class Children:
    """All children of one supervisor, which its `token` marks."""

    def __init__(self, *, token: str, say: Callable[[str], None]) -> None:
        self._token = token
        self._say = say
        self._all: list[Child] = []

    def add(self, child: Child) -> None:
        self._all.append(child)

    def tend(self) -> None:
        """Notice dead children and start those whose pause is over."""
        for child in self._all:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, code=child.process.returncode)
            elif child.process is None and time.monotonic() >= child.restart_at:
                self._revive(child)

    def _bury(self, child: Child, *, code: int) -> None:
        child.plan_restart()
        end_marked(self._token, child.name)  # what it had started may outlive it
        self._say(f"{child.name} ended with code {code}, again in {child.pause:.1f} s: {last_line(child.log)}")

    def _revive(self, child: Child) -> None:
        try:
            child.start()
        except LocalError as error:
            child.plan_restart()
            self._say(f"{child.name} did not start: {error}")

    def stop(self) -> None:
        """Ask all at once, wait for each, kill what does not end and what they left."""
        asked_at = time.monotonic()
        running = [(child, child.process) for child in self._all if child.process is not None]
        for _, process in running:
            process.send_signal(signal.SIGTERM)
        for child, process in running:
            wait_or_kill(process, patience=max(0.0, asked_at + child.patience - time.monotonic()))
        for child in self._all:
            end_marked(self._token, child.name)
        self._all.clear()
