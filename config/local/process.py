"""Child processes that cannot outlive their parent, and a few honest questions about processes.

Linux: the kernel signals the child when its parent dies (PR_SET_PDEATHSIG). It does so when the *thread* that started
the child ends, so children are started from the main thread only. Elsewhere the supervisor's watchdog does the work.
"""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """An operating-system account that a server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, uid: int) -> "Account":
        entry = pwd.getpwuid(uid)
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    keep_fds: Sequence[int] = (),
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, its output appended to `log`, signalled when this process dies.

    `account` is taken on only when it is not ours already, which needs root. `keep_fds` stay open in the child.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    switch = account is not None and account.uid != os.geteuid()
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            user=account.uid if account and switch else None,
            group=account.gid if account and switch else None,
            extra_groups=[] if switch else None,
            start_new_session=True,
            umask=0o077,  # uploads, models and logs are ours alone
            pass_fds=tuple(keep_fds),
            preexec_fn=_tie_to_parent(death_signal),
        )


def _tie_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What the child runs before exec, and after it changed account: the change would clear the wish."""
    libc, parent = _LIBC, os.getpid()
    if libc is None:
        return None

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return tie


def is_running(pid: int, *, marker: str) -> bool:
    """Whether `pid` is alive, no zombie, and has `marker` on its command line (so not a recycled pid)."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any(marker in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # somebody else's process: never one of ours
        return False


def stop(child: subprocess.Popen[bytes], *, ask: signal.Signals, patience: float) -> None:
    """Ask a child to end; after `patience` seconds kill it with its whole process group."""
    child.send_signal(ask)
    wait_or_kill(child, patience=patience)


def wait_or_kill(child: subprocess.Popen[bytes], *, patience: float) -> None:
    """Wait `patience` seconds for a child to end, then kill it with its whole process group."""
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        kill_group(child.pid)
        child.wait()


def last_line(log: Path) -> str:
    """The last thing a program said, at most 200 characters of it."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:200] if lines else "without a word"


def kill_group(pid: int) -> None:
    """Kill what is left of the process group that `pid` led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(pid, signal.SIGKILL)
