"""What can stop Attune from running on this machine: one check each, one line each, with the mend."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2

from config.local import folders, postgres, supervisor, valkey
from config.local.errors import LocalError
from config.local.ports import check_port

OLDEST_PYTHON = (3, 11)
NEEDED_DISK = 2 * 1024**3  # the database, snapshots and artifacts of a small project, with room to work
NEEDED_MEMORY = 2 * 1024**3  # the encoder, a fit, and the servers
_REINSTALL = "make install"
_PACKAGES = {
    "torch": "fit and score",
    "sentence_transformers": "embed responses",
    "django": "serve pages",
    "celery": "run jobs",
    "gunicorn": "serve pages",
    "uvicorn": "run the scorer",
}


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; a problem comes with its mend."""

    text: str
    mend: str = ""
    is_problem: bool = False


def examine(home: Path, *, port: int) -> Iterator[Finding]:
    """Run every check, cheapest first. None of them writes to the database or leaves a file."""
    yield check_python(sys.version_info[:2])
    yield from (check_package(name, purpose) for name, purpose in _PACKAGES.items())
    yield check_writable(home)
    yield check_disk(home)
    yield check_memory()
    running = supervisor.running_url(home)
    yield Finding(f"Attune runs at {running}") if running else check_free_port(port)
    yield check_database(home, os.environ.get("DATABASE_URL", ""))
    yield check_broker(home, os.environ.get("BROKER_URL", ""))


def check_python(version: tuple[int, ...]) -> Finding:
    """Python is new enough."""
    found = ".".join(str(part) for part in version)
    if version < OLDEST_PYTHON:
        return _problem(f"Python {found} is too old", "install Python 3.11 or newer and make the environment anew")
    return Finding(f"Python {found}")


def check_package(name: str, purpose: str) -> Finding:
    """The package is installed; located, not imported, for torch takes seconds."""
    if find_spec(name) is None:
        return _problem(f"the package {name} is missing, which Attune needs to {purpose}", _REINSTALL)
    return Finding(f"{name} is installed")


def check_writable(home: Path) -> Finding:
    """We can write where the data goes."""
    mend = "set ATTUNE_HOME to a folder that you can write to"
    place = _existing(home)
    try:
        if not place.is_dir():
            return _problem(f"{place} is not a folder", mend)
        if home.exists() and home.stat().st_uid != os.geteuid():
            return _problem(f"{home} belongs to somebody else", mend)
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"0" * 4096)
    except OSError as error:
        return _problem(f"{place} cannot be written to: {error.strerror}", mend)
    return Finding(f"{home} can be written to")


def check_disk(home: Path, *, needed: int = NEEDED_DISK) -> Finding:
    """There is room on the disk that holds the data."""
    free = shutil.disk_usage(_existing(home)).free
    text = f"{free / 1024**3:.1f} GiB free on the disk of {home}"
    if free < needed:
        return _problem(f"only {text}", f"free at least {needed / 1024**3:.1f} GiB, or move ATTUNE_HOME")
    return Finding(text)


def check_memory(*, needed: int = NEEDED_MEMORY) -> Finding:
    """There is memory for the encoder and a fit."""
    free = psutil.virtual_memory().available
    text = f"{free / 1024**3:.1f} GiB of memory free"
    if free < needed:
        return _problem(f"only {text}", f"close other programs; {needed / 1024**3:.1f} GiB are needed")
    return Finding(text)


def check_free_port(port: int) -> Finding:
    """Nobody else listens where our web server is to listen."""
    try:
        check_port(port)
    except LocalError as error:
        return _problem(error.problem, error.mend)
    return Finding(f"port {port} is free")


def check_database(home: Path, url: str) -> Finding:
    """The database named by DATABASE_URL answers, or else the embedded one runs or could."""
    if not url:
        return _check_embedded("Postgres", postgres.running_url(folders.servers_folder(home)), postgres.binaries)
    try:
        psycopg2.connect(url, connect_timeout=5).close()
    except psycopg2.Error as error:
        reason = str(error).strip().splitlines()[0]
        return _problem(f"the database at {_address(url)} cannot be reached: {reason}", "start it or mend DATABASE_URL")
    return Finding(f"the database at {_address(url)} answers")


def check_broker(home: Path, url: str) -> Finding:
    """The broker named by BROKER_URL answers, or else the embedded one runs or could."""
    if not url:
        return _check_embedded("Valkey", valkey.running_url(folders.servers_folder(home)), valkey.binary)
    from kombu import Connection  # only here: it takes a while to import

    try:
        with Connection(url, connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except Exception as error:  # each transport has exceptions of its own
        return _problem(f"the broker at {_address(url)} cannot be reached: {error}", "start it or mend BROKER_URL")
    return Finding(f"the broker at {_address(url)} answers")


def _check_embedded(name: str, running: str | None, locate: Callable[[], Path]) -> Finding:
    if running:
        return Finding(f"the embedded {name} runs")
    try:
        return Finding(f"the embedded {name} is not running; its programs are in {locate()}")
    except LocalError as error:
        return _problem(error.problem, error.mend)


def _problem(text: str, mend: str) -> Finding:
    return Finding(text, mend, is_problem=True)


def _address(url: str) -> str:
    """A URL without its secrets."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}:{parts.port or ''}{parts.path}"


def _existing(path: Path) -> Path:
    """The path itself or its nearest parent that exists."""
    return next(found for found in (path, *path.parents) if found.exists())
