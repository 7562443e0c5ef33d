"""Where the embedded servers keep their files, who owns them, and who may start there.

Postgres refuses to run as root. Under root it runs as an unprivileged account, and that account must be able to pass
through every parent of its files. Where it cannot (a checkout in /root, a 0700 temporary folder) the files go to
/var/lib/attune instead: opening the parents is not ours to do.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.local.errors import LocalError
from config.local.process import Account

CHECKOUT = Path(__file__).resolve().parents[2]
_ELSEWHERE = Path("/var/lib/attune")
_NOBODY_UID = 65534


def server_account(data: Path) -> Account:
    """Who runs the server on `data`: ourselves, or under root the owner of existing data, else nobody."""
    if os.geteuid() != 0:
        return Account.of(os.geteuid())
    owner = data.stat().st_uid if data.exists() else 0
    return Account.of(owner or _NOBODY_UID)


def is_reachable(path: Path, account: Account) -> bool:
    """Whether `account` may pass through every existing parent of `path`."""
    if account.uid == os.geteuid():
        return True
    parents = (parent.stat() for parent in path.absolute().parents if parent.exists())
    return all(_may_pass(entry, account) for entry in parents)


def _may_pass(entry: os.stat_result, account: Account) -> bool:
    if entry.st_uid == account.uid:
        return bool(entry.st_mode & 0o100)
    return bool(entry.st_mode & (0o010 if entry.st_gid == account.gid else 0o001))


def servers_folder(home: Path) -> Path:
    """`home` itself, or a folder below /var/lib/attune where the server's account cannot reach `home`."""
    if is_reachable(home / "postgres", server_account(home / "postgres")):
        return home
    return _ELSEWHERE / f"{home.name}-{short_digest(home)}"


def short_digest(path: Path) -> str:
    """Twelve hex digits that stand for an absolute path."""
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]


def make_private(folder: Path, *, passable: bool = False) -> Path:
    """Create `folder` for us alone (others may pass through but not list it if `passable`); refuse somebody else's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(
            f"cannot create {folder}: {error.strerror}", mend="set ATTUNE_HOME to a folder of yours"
        ) from None
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise LocalError(f"{folder} belongs to somebody else", mend="set ATTUNE_HOME to a folder of yours")
    folder.chmod(0o711 if passable else 0o700)
    return folder


def write_secret(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    draft.replace(path)


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """The descriptor of a lock on `path` held until it is closed everywhere, or None when somebody holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


@contextmanager
def locked(path: Path, *, patience: float) -> Iterator[int]:
    """Hold a lock on `path`; wait at most `patience` seconds for it."""
    handle = wait_for_lock(path, patience=patience)
    try:
        yield handle
    finally:
        os.close(handle)


def wait_for_lock(path: Path, *, patience: float, shared: bool = False) -> int:
    """Like `try_lock`, but waits. Raises LocalError when somebody still holds it after `patience` seconds."""
    deadline = time.monotonic() + patience
    while (handle := try_lock(path, shared=shared)) is None:
        if time.monotonic() > deadline:
            raise LocalError(f"{path} is still held by another process", mend="stop the other `attune up` first")
        time.sleep(0.05)
    return handle
