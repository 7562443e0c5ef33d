"""The scorer process: batching, bounds, errors; and the bytes on the wire."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from attune.encoders import get_encoder
from attune.errors import ArtifactError, BadData
from personalization.scorer.batching import MicroBatcher, Overloaded
from personalization.scorer.wire import Array, Text, pack_texts, pack_vectors, unpack_texts, unpack_vectors
from tests.personalization.scorer_server import running_scorer


class CountingEncoder:
    """Length of both texts, and which batches it was given; ``hold`` keeps it busy."""

    def __init__(self) -> None:
        self.batches: list[list[Text]] = []
        self.hold = threading.Event()
        self.hold.set()

    def encode(self, texts: Sequence[Text]) -> Array:
        self.batches.append(list(texts))
        assert self.hold.wait(5)
        return np.array([[len(prompt), len(response)] for prompt, response in texts], np.float32)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def make_batcher(encoder: CountingEncoder, executor: ThreadPoolExecutor, **bounds: int) -> MicroBatcher:
    bounds = {"max_batch": 256, "max_waiting": 1000} | bounds
    return MicroBatcher(encoder.encode, executor, window=0.005, **bounds)


def test_many_single_requests_are_encoded_together(executor: ThreadPoolExecutor) -> None:
    encoder = CountingEncoder()

    async def ask() -> list[Array]:
        batcher = make_batcher(encoder, executor)
        return await asyncio.gather(*(batcher.vectors([("p", "x" * n)]) for n in range(1, 65)))

    answers = asyncio.run(ask())
    assert [row.tolist() for row in answers] == [[[1.0, float(n)]] for n in range(1, 65)]
    assert len(encoder.batches) == 1


def test_the_same_text_is_encoded_once_while_it_waits(executor: ThreadPoolExecutor) -> None:
    encoder = CountingEncoder()

    async def ask() -> list[Array]:
        batcher = make_batcher(encoder, executor)
        return await asyncio.gather(*(batcher.vectors([("p", "same"), ("p", "same")]) for _ in range(10)))

    answers = asyncio.run(ask())
    assert sum(map(len, encoder.batches)) == 1
    assert all(rows.tolist() == [[1.0, 4.0], [1.0, 4.0]] for rows in answers)


def test_batches_are_bounded_and_keep_their_order(executor: ThreadPoolExecutor) -> None:
    encoder = CountingEncoder()

    async def ask() -> Array:
        return await make_batcher(encoder, executor, max_batch=10).vectors([("p", "x" * n) for n in range(25)])

    assert asyncio.run(ask())[:, 1].tolist() == list(range(25))
    assert [len(batch) for batch in encoder.batches] == [10, 10, 5]


def test_a_full_queue_is_refused_and_the_waiting_are_still_served(executor: ThreadPoolExecutor) -> None:
    encoder = CountingEncoder()
    encoder.hold.clear()

    async def ask() -> Array:
        batcher = make_batcher(encoder, executor, max_batch=1, max_waiting=3)
        first = [asyncio.create_task(batcher.vectors([("p", "x" * n)])) for n in range(3)]
        await asyncio.sleep(0.05)  # one is being encoded, two wait
        with pytest.raises(Overloaded, match="2 texts are already waiting") as refused:
            await batcher.vectors([("p", "new"), ("p", "newer")])
        assert refused.value.retry_after >= 1
        encoder.hold.set()
        return np.concatenate(await asyncio.gather(*first))

    assert asyncio.run(ask())[:, 1].tolist() == [0, 1, 2]


def test_a_caller_that_goes_away_takes_nothing_from_the_others(executor: ThreadPoolExecutor) -> None:
    encoder = CountingEncoder()

    async def ask() -> Array:
        batcher = make_batcher(encoder, executor)
        gone = asyncio.create_task(batcher.vectors([("p", "shared")]))
        stays = asyncio.create_task(batcher.vectors([("p", "shared")]))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(ask()).tolist() == [[1.0, 6.0]]


def test_an_error_of_the_encoder_reaches_its_callers_and_the_next_batch_works(executor: ThreadPoolExecutor) -> None:
    encoder = CountingEncoder()

    def encode(texts: Sequence[Text]) -> Array:
        if texts[0][1] == "bad":
            raise ArtifactError("the weights are gone")
        return encoder.encode(texts)

    async def ask() -> Array:
        batcher = MicroBatcher(encode, executor, window=0.001, max_batch=8, max_waiting=8)
        with pytest.raises(ArtifactError, match="the weights are gone"):
            await batcher.vectors([("p", "bad")])
        return await batcher.vectors([("p", "good")])

    assert asyncio.run(ask()).tolist() == [[1.0, 4.0]]


def test_vectors_survive_the_wire() -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert unpack_vectors(pack_vectors(vectors), 3, 4).tolist() == vectors.tolist()
    assert unpack_texts(pack_texts("style", [("p", "r")])) == ("style", [("p", "r")])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "exactly the fields"),
        (b'{"encoder":"style","texts":[["p","r"]],"more":1}', "exactly the fields"),
        (b'{"encoder":3,"texts":[["p","r"]]}', "'encoder' is 3"),
        (b'{"encoder":"style","texts":[]}', "list of 1 to"),
        (b'{"encoder":"style","texts":[["p"]]}', r"texts\[0\] must be \[prompt, response\]"),
        (b'{"encoder":"style","texts":[["p","r"],["p",1]]}', r"texts\[1\] must hold two texts"),
        (b'{"encoder":"style","texts":[["p","\\ud800"]]}', "not JSON"),
        (b'{"encoder":"style","texts":[["p","\xff"]]}', "not JSON"),
    ],
)
def test_a_wrong_body_says_what_is_wrong(body: bytes, reason: str) -> None:
    with pytest.raises(BadData, match=reason):
        unpack_texts(body)


@pytest.mark.parametrize(("body", "reason"), [(b"1234", "4 bytes"), (b"\x00\x00\xc0\x7f", "not a finite number")])
def test_a_wrong_answer_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BadData, match=reason):
        unpack_vectors(body, 1, 2 if reason == "4 bytes" else 1)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_scorer(tmp_path_factory.mktemp("scorer")) as url:
        transport = httpx.HTTPTransport(uds=url.removeprefix("unix:"))
        with httpx.Client(base_url="http://scorer", transport=transport) as client:
            yield client


def test_it_answers_with_the_encoders_own_vectors(scorer: httpx.Client) -> None:
    texts = [("How?", "Like this."), ("How?", "- one\n- two")]
    answer = scorer.post("/encode", content=pack_texts("style", texts))
    assert answer.status_code == 200
    dim = int(answer.headers["attune-dim"])
    assert unpack_vectors(answer.content, 2, dim).tolist() == get_encoder("style").encode(texts).tolist()


def test_it_lives_and_says_when_it_is_ready(scorer: httpx.Client) -> None:
    assert scorer.get("/livez").text == "ok"
    deadline = time.monotonic() + 60
    while (ready := scorer.get("/readyz")).status_code == 503 and time.monotonic() < deadline:
        assert ready.text == "the encoder is loading"
        time.sleep(0.1)
    assert ready.text == "ready"


def test_it_refuses_an_unknown_encoder_and_a_body_that_is_too_large(scorer: httpx.Client) -> None:
    wrong = scorer.post("/encode", content=pack_texts("bert", [("p", "r")]))
    assert wrong.status_code == 422
    assert "'bert' is not known" in wrong.json()["detail"]
    assert scorer.post("/encode", content=b" " * (33 * 1024 * 1024)).status_code == 413
