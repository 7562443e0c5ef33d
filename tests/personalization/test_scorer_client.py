"""How a web process gets vectors: from the store, else from the scorer, once; never invented."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from pytest_django.fixtures import Settings

from attune.encoders import content_digest, get_encoder
from personalization.errors import ScorerAway, ScorerBusy
from personalization.scorer import client
from personalization.scorer.client import vectors_for
from tests.personalization.scorer_server import running_scorer
from training.models import TextVector
from training.vectors import PostgresVectorStore

pytestmark = pytest.mark.django_db

TEXT = ("How?", "Like this, with 3 steps.")
TEXTS = {content_digest(*TEXT): TEXT}


def test_a_text_is_encoded_once_and_stored(scorer: str, settings: Settings) -> None:
    vectors, encoded = vectors_for(encoder="style", texts=TEXTS, store=PostgresVectorStore())
    assert encoded == set(TEXTS)
    assert np.array_equal(vectors[next(iter(TEXTS))], get_encoder("style").encode([TEXT])[0])
    settings.SCORER_URL = ""
    again, encoded = vectors_for(encoder="style", texts=TEXTS, store=PostgresVectorStore())
    assert encoded == set()
    assert np.array_equal(again[next(iter(TEXTS))], vectors[next(iter(TEXTS))])


def test_many_texts_go_in_several_requests(scorer: str) -> None:
    texts = {content_digest("p", str(number)): ("p", str(number)) for number in range(600)}
    vectors, encoded = vectors_for(encoder="style", texts=texts, store=PostgresVectorStore())
    assert len(vectors) == len(encoded) == TextVector.objects.count() == 600


@pytest.fixture
def answering(settings: Settings) -> Iterator[Callable[[int, bytes, dict[str, str]], None]]:
    """Something else than a scorer, that answers what a test tells it to."""
    answer: list[tuple[int, bytes, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body, headers = answer[-1]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings.SCORER_URL = f"http://127.0.0.1:{server.server_port}"
    yield lambda *given: answer.append(given)
    client.connections(settings.SCORER_URL).close()
    client.connections.cache_clear()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "body", "headers", "reason"),
    [
        (500, b"out of memory", {}, "answered 500: out of memory"),
        (200, b"", {}, "has None numbers a text"),
        (200, b"", {"attune-dim": "7"}, "has 7 numbers a text"),
        (200, b"1234", {"attune-dim": str(get_encoder("style").dim)}, "can't be read: the answer has 4 bytes"),
        (
            200,
            np.full(get_encoder("style").dim, np.nan, "<f4").tobytes(),
            {"attune-dim": str(get_encoder("style").dim)},
            "not a finite number",
        ),
    ],
)
def test_an_answer_that_is_no_vector_is_refused(
    answering: Callable[..., None], status: int, body: bytes, headers: dict[str, str], reason: str
) -> None:
    answering(status, body, headers)
    with pytest.raises(ScorerAway, match=reason):
        vectors_for(encoder="style", texts=TEXTS, store=PostgresVectorStore())
    assert not TextVector.objects.exists()


def test_a_busy_scorer_says_for_how_long(answering: Callable[..., None]) -> None:
    answering(429, b"", {"Retry-After": "7"})
    with pytest.raises(ScorerBusy) as busy:
        vectors_for(encoder="style", texts=TEXTS, store=PostgresVectorStore())
    assert (busy.value.status, busy.value.retry_after) == (429, 7)


def test_a_scorer_that_was_started_anew_is_asked_again(tmp_path: Path, settings: Settings) -> None:
    for number in range(2):
        with running_scorer(tmp_path) as settings.SCORER_URL:
            for part in range(2):
                text = ("Again?", f"{number} {part}")
                vectors, _ = vectors_for(
                    encoder="style", texts={content_digest(*text): text}, store=PostgresVectorStore()
                )
                assert np.array_equal(*vectors.values(), get_encoder("style").encode([text])[0])
    assert TextVector.objects.count() == 4
    client.connections(settings.SCORER_URL).close()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("unix:/nowhere/scorer.sock", "No such file"),
        ("http://127.0.0.1:1", "refused"),
        ("127.0.0.1:9000", "not of the form http://host:port or unix:/path"),
        ("ftp://127.0.0.1", "not of the form"),
    ],
)
def test_where_no_scorer_is_it_is_said(settings: Settings, address: str, reason: str) -> None:
    settings.SCORER_URL = address
    with pytest.raises(ScorerAway, match=reason):
        vectors_for(encoder="style", texts=TEXTS, store=PostgresVectorStore())
    assert not TextVector.objects.exists()
