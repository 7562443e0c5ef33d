"""One throwaway Postgres per checkout for the tests, shared by every test run and gone soon after the last.

Each run holds a shared lock for as long as it lives; a keeper process owns the server and closes it when it can take
that lock for itself. Durability is off: the data may be lost, and a folder that does not start is made anew.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from config.local import folders
from config.local.errors import LocalError
from config.local.postgres import THROWAWAY_SETTINGS, EmbeddedPostgres, running_url

GRACE = 15.0  # seconds an unused server waits for the next run
_START_PATIENCE = 60.0
_held: dict[Path, int] = {}  # the shared locks of this process, held until it ends


def test_database_name() -> str:
    """The database a test run uses: `$ATTUNE_TEST_DB`, so that several runs at once do not collide."""
    return os.environ.get("ATTUNE_TEST_DB", "test_attune")


def test_database_url() -> str:
    """`$DATABASE_URL`, or the URL of this checkout's throwaway server, started if need be and kept while we live."""
    return os.environ.get("DATABASE_URL") or throwaway_url(_test_folder())


def throwaway_url(folder: Path) -> str:
    """Start or adopt the throwaway server on `folder`; it stays at least until this process ends."""
    folders.make_private(folder, passable=os.geteuid() == 0)
    if folder not in _held:
        _held[folder] = folders.wait_for_lock(folder / "users.lock", patience=_START_PATIENCE, shared=True)
    with folders.locked(folder / "start.lock", patience=_START_PATIENCE):
        return running_url(folder) or _start_keeper(folder)


def release(folder: Path) -> None:
    """Stop counting as a user of the server on `folder`."""
    os.close(_held.pop(folder))


def _test_folder() -> Path:
    if chosen := os.environ.get("ATTUNE_TEST_HOME"):
        return Path(chosen).resolve()
    return Path(tempfile.gettempdir()) / f"attune-test-{os.geteuid()}-{folders.short_digest(folders.CHECKOUT)}"


def _start_keeper(folder: Path) -> str:
    log = folder / "keeper.log"
    with log.open("wb") as output:
        subprocess.run(
            [sys.executable, "-m", "config.local.testserver", str(folder), str(GRACE)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folders.CHECKOUT,
            start_new_session=True,
            check=True,
        )
    deadline = time.monotonic() + _START_PATIENCE
    while (url := running_url(folder)) is None:
        if not is_kept(folder) or time.monotonic() > deadline:
            raise LocalError("the test database server did not start", mend=f"read {log} and {folder / 'postgres.log'}")
        time.sleep(0.05)
    return url


def is_kept(folder: Path) -> bool:
    """Whether a keeper is at work on `folder`."""
    lock = folders.try_lock(folder / "keeper.lock")
    if lock is not None:
        os.close(lock)
    return lock is None


def keep(folder: Path, *, grace: float) -> None:
    """Own the server on `folder` until nobody has used it for `grace` seconds, or until it dies."""
    server = EmbeddedPostgres(folder, log=folder / "postgres.log", settings=THROWAWAY_SETTINGS)
    try:
        server.start()
    except LocalError:
        server.discard()
        server.start()
    unused_since = time.monotonic()
    while server.child is not None and server.child.poll() is None:
        time.sleep(0.5)
        alone = folders.try_lock(folder / "users.lock")
        if alone is None:
            unused_since = time.monotonic()
        elif time.monotonic() - unused_since > grace:
            server.stop(patience=5)  # newcomers wait for the lock meanwhile, then start their own
            return
        else:
            os.close(alone)


def _become_keeper(folder: Path, *, grace: float) -> None:
    """Leave the process that asked for us (it may end first, and must not be left a zombie), then keep."""
    folders.wait_for_lock(folder / "keeper.lock", patience=_START_PATIENCE)
    if os.fork() == 0:
        keep(folder, grace=grace)


if __name__ == "__main__":
    _become_keeper(Path(sys.argv[1]), grace=float(sys.argv[2]))
