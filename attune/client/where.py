"""Which server, and with which token: as given, from the environment, from `attune login`, or from the local demo."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from attune.client.errors import ClientError

URL, TOKEN = "ATTUNE_URL", "ATTUNE_TOKEN"  # names of variables


@dataclass(frozen=True, slots=True)
class Where:
    """A server's address, without a slash at its end, and a token."""

    url: str
    token: str


def find(url: str | None = None, token: str | None = None) -> Where:
    """The first that is known of each. A stored token is never sent to another address than its own.

    Raises ``ClientError`` saying what is missing.
    """
    url, token = url or os.environ.get(URL), token or os.environ.get(TOKEN)
    if not (url and token):
        for path in (login_file(), demo_file()):
            kept = _read(path)
            if kept.get("url") and kept.get("token") and (url is None or url.rstrip("/") == kept["url"].rstrip("/")):
                url, token = url or kept["url"], token or kept["token"]
                break
    if not url:
        raise ClientError(f"No address: give url, set ${URL}, or run `attune login`.")
    if not token:
        raise ClientError(f"No token for {url}: give token, set ${TOKEN}, or run `attune login`.")
    return Where(url.rstrip("/"), token)


def login_file() -> Path:
    """Where `attune login` keeps address and token; readable by its owner only."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "attune" / "login.json"


def demo_file() -> Path:
    """Where `attune demo` writes its own."""
    return Path(os.environ.get("ATTUNE_HOME") or "var") / "demo.json"


def remember(where: Where) -> Path:
    """Keep address and token for the next time, in a file that only its owner can read."""
    path = login_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"url": where.url, "token": where.token}, file)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def _read(path: Path) -> Mapping[str, str]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
