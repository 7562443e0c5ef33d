"""The process table of `attune up`: which programs run beside the embedded servers, and how."""

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.local.folders import make_private, short_digest
from config.local.home import PRIVATE
from config.local.process import LOOPBACK

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (gunicorn makes its own private file there)
_LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes, macOS 103
_UNCHECKED = {"CELERY_SKIP_CHECKS": "1"}  # Django's own checks load every page; the preparation has run them
_IN_MEMORY = ("--scheduler", "celery.beat:Scheduler", "--pidfile", "")  # the sweeps run within a minute of any start


@dataclass(frozen=True)
class Program:
    """One row: a program that the supervisor keeps running."""

    name: str
    argv: tuple[str, ...]
    nice: int = 0  # above 0 it gives way to the programs that people wait for
    patience: float = 5.0  # seconds between SIGTERM and SIGKILL
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> tuple[str, ...]:
        """What is executed; `nice` replaces itself with the program, so the pid is the program's own."""
        return ("nice", "-n", str(self.nice), *self.argv) if self.nice else self.argv


def programs(*, port: int, scorer_socket: Path) -> list[Program]:
    """The web server first, for people wait for it; then what answers it and what works behind it."""
    return [
        Program("web", _web(port)),
        Program("scorer", _scorer(scorer_socket)),
        Program("worker-default", _worker("default", "--concurrency", str(min(2, cores()))), env=_UNCHECKED),
        Program(
            "worker-train",
            _worker("train", "--concurrency", "1", "--max-tasks-per-child", "1"),
            env=_UNCHECKED,
            nice=10,
        ),
        Program("beat", (*_celery(), "beat", *_IN_MEMORY), env=_UNCHECKED),
    ]


def scorer_socket(home: Path) -> Path:
    """The scorer's Unix socket: in `home`'s private folder, or a temporary one where that path would be too long."""
    inside = home / PRIVATE / "scorer.sock"
    if len(str(inside).encode()) <= _LONGEST_SOCKET_PATH:
        return inside
    private = Path(tempfile.gettempdir()) / f"attune-{os.geteuid()}-{short_digest(home)}"
    return make_private(private) / "scorer.sock"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _web(port: int) -> tuple[str, ...]:
    """Threads share one interpreter lock, so cores want processes; four threads each ride out slow queries. With more, each
    of which has a connection with plans of its own, judging is slower; those that wait for the scorer are not counted."""
    memory = ("--worker-tmp-dir", str(_SHARED_MEMORY)) if os.access(_SHARED_MEMORY, os.W_OK) else ()
    return (
        *(sys.executable, "-m", "gunicorn", "config.wsgi:application", "--preload", "--no-control-socket", *memory),
        *("--bind", f"{LOOPBACK}:{port}", "--worker-class", "config.web_worker.Worker", "--threads", "4"),
        *("--workers", str(max(2, min(4, cores()))), "--timeout", "60", "--graceful-timeout", "4"),
    )


def _scorer(socket: Path) -> tuple[str, ...]:
    app = "personalization.scorer.app:app"
    return (sys.executable, "-m", "uvicorn", app, "--uds", str(socket), "--no-access-log")


def _celery() -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "--app", "config.celery:app")


def _worker(queue: str, *options: str) -> tuple[str, ...]:
    quiet = ("--loglevel", "INFO", "--without-gossip", "--without-mingle")
    return (*_celery(), "worker", "--queues", queue, "--hostname", f"{queue}@%h", "--pool", "prefork", *options, *quiet)
