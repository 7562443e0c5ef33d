"""Files fetched from addresses: off, and where it is on, never from our own network, by whatever way it is led there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from pytest_django.fixtures import Settings

from annotator import outbound
from annotator.models import ImportBatch
from tests.annotator.api import Program, refused
from tests.annotator.importing import row
from tests.attune.scripted_server import Answer, Scripted, scripted_server
from tests.factories import ThreePeople

pytestmark = pytest.mark.django_db
FILE = orjson.dumps(row()) + b"\n"


@pytest.fixture
def owner(people: ThreePeople) -> Program:
    return Program(people.owner, people.project)


@pytest.fixture
def inside() -> Iterator[Scripted]:
    """A server in our own network, which must never be asked."""
    with scripted_server() as server:
        yield server


@pytest.fixture
def allowed(settings: Settings) -> None:
    settings.IMPORT_FROM_URLS = True


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "check_url", lambda url, **more: None)
    monkeypatch.setattr(outbound, "_check_public", lambda address, **more: None)


def fetch(owner: Program, url: str) -> Any:
    return owner.post(f"/api/v1/projects/{owner.slug}/imports", query_params={"url": url})


def test_it_is_off(owner: Program, inside: Scripted) -> None:
    body = refused(fetch(owner, "https://example.org/x.jsonl"), 422, "url")
    assert "Send the file as the body" in body["fields"]["url"]
    assert not inside.asked


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://metadata.google.internal/",
        "https://user:secret@example.org/",
        "https://0x7f000001/",
        "https://2130706433/",
    ],
)
def test_addresses_that_are_not_asked(url: str, owner: Program) -> None:
    refused(fetch(owner, url), 422, "url")
    assert not ImportBatch.objects.exists()


@pytest.mark.usefixtures("allowed")
def test_a_name_that_leads_inside_by_rebinding(
    owner: Program, inside: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public when it is looked at, inside a moment later: what is connected to is what was looked at."""
    port = int(inside.url.rpartition(":")[2])
    asked: list[str] = []
    connected: list[str] = []

    def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        connected.append(address[0])
        raise OSError("nobody is there")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    body = refused(fetch(owner, f"https://rebinding.example.org:{port}/x.jsonl"), 422, "url")
    assert "does not answer" in body["detail"]
    assert (asked, connected) == (["rebinding.example.org"], ["93.184.216.34"])
    assert not inside.asked


@pytest.mark.usefixtures("allowed")
def test_a_redirect_that_leads_inside(owner: Program, inside: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address is let through here, as if it were public; where it leads is looked at as any is."""
    check_url, check_public = outbound.check_url, outbound._check_public
    seen: list[str] = []

    def later(check: Any) -> Any:
        def checked(what: Any, **more: Any) -> None:
            if inside.asked:
                seen.append(str(what))
                check(what, **more)

        return checked

    monkeypatch.setattr(outbound, "check_url", later(check_url))
    monkeypatch.setattr(outbound, "_check_public", later(check_public))
    inside.answers = [Answer(302, b"", {"Location": "https://127.0.0.1/secret"}), Answer(200, FILE)]
    body = refused(fetch(owner, f"{inside.url}/x.jsonl"), 422, "url")
    assert "127.0.0.1 is not a public address" in body["detail"]
    assert (len(inside.asked), seen[0]) == (1, "https://127.0.0.1/secret")


@pytest.mark.usefixtures("allowed", "loopback_is_public")
def test_what_is_too_large_is_not_kept(owner: Program, inside: Scripted, settings: Settings) -> None:
    settings.IMPORT_MAX_BYTES = 1000
    inside.answers = [Answer(200, b"x" * 5000)]
    refused(fetch(owner, f"{inside.url}/x.jsonl"), 422, "url")
    assert not ImportBatch.objects.exists()


@pytest.mark.usefixtures("allowed", "loopback_is_public")
def test_a_file_is_fetched_and_looked_at(owner: Program, inside: Scripted) -> None:
    inside.answers = [Answer(200, FILE)]
    answer = fetch(owner, f"{inside.url}/x.jsonl")
    assert answer.status_code == 201, answer.content
    assert answer.json()["report"]["new"]["judgments"] == 1
