"""Requests that go out to addresses which somebody else has chosen: never into our own network.

The host is resolved once, every address it has must be public, and the connection goes to the very address that was
looked at, so that a name which resolves to another one a moment later (rebinding) changes nothing. No proxies. What is
posted follows no redirects and gets only a status; what is fetched follows a few, each looked at as the first was.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

SECONDS = 10.0
FETCH_SECONDS = 30.0
"""For a whole file, however slowly it comes."""
MAX_URL = 500
MAX_FETCHED_URL = 2_000
MAX_REDIRECTS = 3

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAllowed(Exception):
    """The address may not be asked; ``str`` says why."""


class Unanswered(Exception):
    """Nobody answered in time."""


def check_url(url: str, *, private: bool | None = None, longest: int = MAX_URL) -> None:
    """Raises ``NotAllowed`` for what is no public web address, as far as can be seen without resolving it.

    ``private`` allows http:// and addresses that are not public; unless given, ``WEBHOOKS_PRIVATE`` decides.
    """
    private = settings.WEBHOOKS_PRIVATE if private is None else private
    if len(url) > longest or not url.isascii() or any(character <= " " for character in url):
        raise NotAllowed(
            _("expected an address of at most %(most)s ASCII characters without spaces") % {"most": longest}
        )
    try:
        parts = urlsplit(url)
        _port = parts.port  # reading it checks it
    except ValueError as error:
        raise NotAllowed(_("is no address: %(error)s") % {"error": error}) from None
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise NotAllowed(_("must begin with https://"))
    if parts.username is not None or parts.password is not None:
        raise NotAllowed(_("must not hold a user name or a password"))
    if not parts.hostname:
        raise NotAllowed(_("names no host"))
    try:
        _check_public(ipaddress.ip_address(parts.hostname), private=private)
    except ValueError:
        if parts.hostname == "localhost" or parts.hostname.endswith((".localhost", ".local", ".internal")):
            _check_private_allowed(parts.hostname, private=private)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """POST to a checked address and give the answer's status. Raises ``NotAllowed`` or ``Unanswered``."""
    check_url(url)
    with _asked("POST", url, private=settings.WEBHOOKS_PRIVATE, body=body, headers=headers) as response:
        return response.status_code


def ask(
    url: str, body: bytes, headers: Mapping[str, str], *, private: bool, seconds: float, most: int
) -> tuple[int, bytes]:
    """POST and give the answer's status and its body of at most ``most`` bytes; redirects are not followed. Raises as ``post``."""
    check_url(url, private=private)
    until = time.monotonic() + seconds
    with _asked("POST", url, private=private, body=body, headers=headers, seconds=seconds) as response:
        return response.status_code, b"".join(_body(response, most, until))


def fetch(url: str, *, most: int) -> bytes:
    """GET a picture of at most ``most`` bytes. Raises ``NotAllowed`` (also for where a redirect leads) or ``Unanswered``."""
    pieces = fetched(url, most=most, private=settings.PICTURES_PRIVATE, seconds=FETCH_SECONDS, accept="image/*")
    return b"".join(pieces)


def fetched(url: str, *, most: int, private: bool, seconds: float, accept: str = "*/*") -> Iterator[bytes]:
    """GET a file of at most ``most`` bytes as it comes, in ``seconds`` at the longest. Raises as ``fetch``."""
    until = time.monotonic() + seconds
    for _step in range(MAX_REDIRECTS + 1):
        check_url(url, private=private, longest=MAX_FETCHED_URL)
        with _asked("GET", url, private=private, headers={"Accept": accept, "User-Agent": "Attune"}) as response:
            if response.has_redirect_location:
                url = str(httpx.URL(url).join(response.headers["location"]))
                continue
            if response.status_code != HTTPStatus.OK:
                raise Unanswered(_("answered %(status)s") % {"status": response.status_code})
            yield from _body(response, most, until)
            return
    raise Unanswered(_("redirects more than %(most)s times") % {"most": MAX_REDIRECTS})


def _body(response: httpx.Response, most: int, until: float) -> Iterator[bytes]:
    size = 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > most:
            raise NotAllowed(_("has more than %(most)s bytes") % {"most": f"{most:,}"})
        if time.monotonic() > until:
            raise Unanswered(_("took too long"))
        yield piece


@contextmanager
def _asked(
    method: str,
    url: str,
    *,
    private: bool,
    headers: Mapping[str, str],
    body: bytes | None = None,
    seconds: float = SECONDS,
) -> Iterator[httpx.Response]:
    """A request to the very address that was looked at. Raises ``NotAllowed`` or ``Unanswered``."""
    parts = httpx.URL(url)
    host = parts.host
    address = _resolved(host, parts.port or (443 if parts.scheme == "https" else 80), private=private)
    sent = {**headers, "Host": parts.netloc.decode()}
    try:
        with httpx.Client(timeout=seconds, follow_redirects=False, trust_env=False) as client:
            request = client.build_request(method, parts.copy_with(host=str(address)), content=body, headers=sent)
            request.extensions["sni_hostname"] = host
            response = client.send(request, stream=True)
            try:
                yield response
            finally:
                response.close()
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Unanswered(f"{type(error).__name__}: {error}"[:300]) from error


def _resolved(host: str, port: int, *, private: bool) -> Address:
    """The first of the host's addresses, all of which are public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unanswered(_("%(host)s has no address: %(error)s") % {"host": host, "error": error}) from error
    addresses = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in found]
    for address in addresses:
        _check_public(address, private=private)
    return addresses[0]


def _check_public(address: Address, *, private: bool) -> None:
    inner = [address]
    if isinstance(address, ipaddress.IPv6Address):
        inner += [each for each in (address.ipv4_mapped, address.sixtofour) if each]
        inner += list(address.teredo or ())
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if not all(each.is_global and not each.is_multicast for each in inner):
        _check_private_allowed(str(address), private=private)


def _check_private_allowed(host: str, *, private: bool) -> None:
    if not private:
        raise NotAllowed(_("%(host)s is not a public address") % {"host": host})
