"""Requests that go out to addresses which somebody else has chosen: never into our own network.

The host is resolved once, every address it has must be public, and the connection goes to the very address that was
looked at, so that a name which resolves to another one a moment later (rebinding) changes nothing. No redirects, no
proxies, and of the answer only its status.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
from django.conf import settings

SECONDS = 10.0
MAX_URL = 500

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAllowed(Exception):
    """The address may not be asked; ``str`` says why."""


class Unanswered(Exception):
    """Nobody answered in time."""


def check_url(url: str) -> None:
    """Raises ``NotAllowed`` for what is no public web address, as far as can be seen without resolving it."""
    if len(url) > MAX_URL or not url.isascii() or any(character <= " " for character in url):
        raise NotAllowed(f"expected an address of at most {MAX_URL} ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise NotAllowed(f"is no address: {error}") from None
    if parts.scheme != "https" and not (settings.WEBHOOKS_PRIVATE and parts.scheme == "http"):
        raise NotAllowed("must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise NotAllowed("must not hold a user name or a password")
    if not parts.hostname:
        raise NotAllowed("names no host")
    try:
        _check_public(ipaddress.ip_address(parts.hostname))
    except ValueError:
        if parts.hostname == "localhost" or parts.hostname.endswith((".localhost", ".local", ".internal")):
            _check_private_allowed(parts.hostname)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """POST to a checked address and give the answer's status. Raises ``NotAllowed`` or ``Unanswered``."""
    check_url(url)
    parts = httpx.URL(url)
    host = parts.host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _resolved(host, port)
    sent = {**headers, "Host": parts.netloc.decode()}
    try:
        with httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False) as client:
            request = client.build_request("POST", parts.copy_with(host=str(address)), content=body, headers=sent)
            request.extensions["sni_hostname"] = host
            response = client.send(request, stream=True)
            response.close()
            return response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Unanswered(f"{type(error).__name__}: {error}"[:300]) from error


def _resolved(host: str, port: int) -> Address:
    """The first of the host's addresses, all of which are public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unanswered(f"{host} has no address: {error}") from error
    addresses = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in found]
    for address in addresses:
        _check_public(address)
    return addresses[0]


def _check_public(address: Address) -> None:
    inner = [address]
    if isinstance(address, ipaddress.IPv6Address):
        inner += [each for each in (address.ipv4_mapped, address.sixtofour) if each]
        inner += list(address.teredo or ())
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if not all(each.is_global and not each.is_multicast for each in inner):
        _check_private_allowed(str(address))


def _check_private_allowed(host: str) -> None:
    if not settings.WEBHOOKS_PRIVATE:
        raise NotAllowed(f"{host} is not a public address")
