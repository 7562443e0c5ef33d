"""Connections to the scorer, kept open. A request takes a third of the processor's time that a general client takes.

Where trainers ask for one new text a request, what the web does for each of them keeps the encoder waiting.
"""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 60.0
"""A cold scorer loads its encoder first, and 256 long texts take seconds."""


@dataclass(frozen=True, slots=True)
class ScorerAnswer:
    """Of one request; headers by their names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class ScorerConnections:
    """Those of one process to one address, ``http://host:port`` or ``unix:/path``; as many as ask at the same time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: deque[HTTPConnection] = deque()

    def post(self, path: str, body: bytes) -> ScorerAnswer:
        """Raises ``OSError`` or ``HTTPException`` where nobody answers."""
        while (connection := self._take()) is not None:
            try:
                return self._ask(connection, path, body)
            except (ConnectionError, HTTPException):
                continue  # the scorer closed it while it was idle; to encode a text twice does no harm
        return self._ask(self._connect(), path, body)

    def close(self) -> None:
        """Those that are idle."""
        while (connection := self._take()) is not None:
            connection.close()

    def _take(self) -> HTTPConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _ask(self, connection: HTTPConnection, path: str, body: bytes) -> ScorerAnswer:
        try:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            found = ScorerAnswer(answer.status, headers, answer.read())
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return found

    def _connect(self) -> HTTPConnection:
        address = urlsplit(self._url)
        if address.scheme == "unix":
            connection: HTTPConnection = _UnixConnection(address.path)
        elif address.scheme in ("http", "https") and address.hostname:
            kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
            connection = kind(address.hostname, address.port, timeout=CONNECT_SECONDS)
        else:
            raise OSError("the address is not of the form http://host:port or unix:/path")
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        connection.sock.settimeout(ANSWER_SECONDS)
        return connection


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("scorer", timeout=CONNECT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CONNECT_SECONDS)
        self.sock.connect(self._path)
