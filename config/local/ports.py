"""Loopback ports: who holds one, and does it serve."""

import http.client
import socket

import psutil

from config.local.errors import LocalError
from config.local.process import LOOPBACK


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_holder(port: int) -> str | None:
    """Who listens on a loopback port, as far as we may know; None when nobody does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return _listener(port) or "another program"
    return None


def check_port(port: int) -> None:
    """Raise LocalError when somebody listens on `port`."""
    if holder := port_holder(port):
        raise LocalError(f"port {port} is taken by {holder}", mend=f"choose another, as in PORT={port + 1}")


def serves_http(port: int) -> bool:
    """Whether a web server on `port` answers its health check, or anything else below 500."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listener(port: int) -> str | None:
    try:
        for entry in psutil.net_connections("tcp"):
            if entry.status == psutil.CONN_LISTEN and entry.laddr and entry.laddr.port == port and entry.pid:
                return f"{psutil.Process(entry.pid).name()} (pid {entry.pid})"
    except psutil.Error:
        return None
    return None
