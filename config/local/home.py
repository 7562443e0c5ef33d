"""`$ATTUNE_HOME`: the one folder that holds everything a local Attune keeps."""

import os
import secrets
from pathlib import Path

from config.local.folders import CHECKOUT, locked, make_private, write_secret

PRIVATE = "run"  # the folder below for sockets, closed to everybody even where the home is not


def attune_home() -> Path:
    """`$ATTUNE_HOME`, or `var` in the checkout, as an absolute path (not created)."""
    return Path(os.environ.get("ATTUNE_HOME") or CHECKOUT / "var").expanduser().resolve()


def prepare_home(home: Path) -> Path:
    """Create the folder for us alone (under root, the database's account may pass through it)."""
    make_private(home, passable=os.geteuid() == 0)
    make_private(home / PRIVATE)
    return home


def secret_key(home: Path) -> str:
    """Django's SECRET_KEY of this installation, made on the first call and kept in a file only we can read."""
    path = home / "secret_key"
    if not path.exists():
        prepare_home(home)
        with locked(home / "secret_key.lock", patience=5.0):
            if not path.exists():
                write_secret(path, secrets.token_urlsafe(50))
    return path.read_text().strip()
