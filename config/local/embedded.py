"""What the two embedded servers have in common: a lock on their data, one port, a child, and an orderly end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from config.local import folders
from config.local.errors import LocalError
from config.local.ports import free_port
from config.local.process import stop

_LOCK_PATIENCE = 20.0  # how long a server of a supervisor that was killed may take to close
_START_PATIENCE = 60.0  # recovery after a power cut may take its time


class EmbeddedServer:
    """A server on the data below `folder`, a child of this process, its output in `log`.

    The server's processes inherit the lock, so it is free again only when the last of them is gone, and a second
    server can never open the same data.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, folder: Path, *, log: Path) -> None:
        self.folder = folder
        self.data = folder / self.name
        self.log = log
        self.child: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.port = 0  # chosen once, so that a restart after a crash keeps the URL
        self._lock: int | None = None

    def start(self, *, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start the server (creating its data on the first call) and return once it answers, at `url`."""
        raise NotImplementedError

    def stop(self, *, patience: float = 20.0) -> None:
        """Close the server and give the lock back."""
        if self.child is not None:
            stop(self.child, ask=self.stop_signal, patience=patience)
            self.child = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _claim(self) -> int:
        """Take the lock and a port, unless we have them; returns the lock's descriptor."""
        folders.make_private(self.folder, passable=os.geteuid() == 0)
        if self._lock is None:
            self._lock = folders.wait_for_lock(self.folder / f"{self.name}.lock", patience=_LOCK_PATIENCE)
        self.port = self.port or free_port()
        return self._lock

    def _wait_until(self, answers: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_PATIENCE
        while not answers():
            if child.poll() is not None:
                raise LocalError(f"{self.name} ended with code {child.returncode}", mend=f"read {self.log}")
            if time.monotonic() > deadline:
                raise LocalError(f"{self.name} did not answer in {_START_PATIENCE:.0f} s", mend=f"read {self.log}")
            time.sleep(0.02)
