"""The client against a scripted server: what is tried again and when, what an error says, where a token may go."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from inspect import getmembers, isfunction, signature
from io import BytesIO
from pathlib import Path
from typing import Any, Unpack, get_args, get_origin, get_type_hints
from zipfile import ZipFile

import httpx
import pytest

from attune.client import (
    ApiError,
    AsyncClient,
    AsyncRewardClient,
    Client,
    ClientError,
    NotFoundError,
    Retry,
    RewardClient,
    Unreachable,
    operations,
)
from attune.client.transport import retry_after
from attune.client.where import Where, find, login_file, remember
from tests.attune.scripted_server import Answer, Scripted, scripted_server

QUICK = Retry(attempts=4, first=0.01, longest=0.02, patience=5)
SCORED = {
    "model": "hybrid@1",
    "user": None,
    "data": [{"index": 1, "score": 2.0, "std": 0.2}, {"index": 0, "score": 1.0, "std": 0.1}],
    "usage": {"encoded": 0},
    "personalization": {"n_judgments": 0, "fallback": True},
}
BUSY = Answer(429, {"code": "scorer_busy", "detail": "Busy."}, {"Retry-After": "0"})


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ATTUNE_URL", "ATTUNE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path / "home"))


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def client(server: Scripted) -> Iterator[Client]:
    with Client(server.url, "secret", retry=QUICK) as client:
        yield client


def test_scores_come_in_the_order_asked(server: Scripted, client: Client) -> None:
    server.answers = [Answer(body=SCORED)]
    found = client.score("p", "How?", ["So.", "Thus."], user="u")
    assert (found.scores, found.stds, found.model, found.fallback) == ([1.0, 2.0], [0.1, 0.2], "hybrid@1", True)
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("POST", "/api/v1/score", "Bearer secret")
    assert asked.json == {"project": "p", "prompt": "How?", "completions": ["So.", "Thus."], "user": "u"}


def test_a_slip_of_the_pen_is_found_before_anything_is_sent(server: Scripted, client: Client) -> None:
    """By Python, and by a type checker: were one of these right for mypy, it would report an unused ``ignore``."""
    with pytest.raises(TypeError, match="usr"):
        client.score("p", "How?", ["So."], usr="u")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="top"):
        client.rank("p", "How?", ["So."], top=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="user"):
        client.score_batch("p", [], user="u")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="dry"):
        client.bulk("p", [], dry=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="adress"):
        RewardClient("p", adress=server.url)  # type: ignore[call-arg]
    assert not server.asked
    server.answers = [Answer(body=SCORED)]
    client.score("p", "How?", ["So."], normalize="percentiles")  # type: ignore[arg-type]  # a plain text: the server's to refuse
    client.score("p", "How?", ["So."], normalize="percentile", aggregate="mean", user=None, explain=True)


def test_files_and_set_ups_are_the_servers_to_refuse(server: Scripted, client: Client, tmp_path: Path) -> None:
    """A type checker knows what they take, as above, and what goes there is what was said."""
    server.answers = [Answer(body=b"")]
    client.download("p", tmp_path / "a", frm="kto")  # type: ignore[call-arg]
    client.download("p", tmp_path / "b", form="kto", type="parquet", split="prompt", held_out=0.2)
    list(client.export("p", format="tlr"))  # type: ignore[arg-type]
    list(client.export("p", revisions=True, sides=None))
    server.answers = [Answer(body={})]
    client.change_project("p", etag='"e"', overlap="2")  # type: ignore[arg-type]
    client.change_project("p", etag='"e"', overlap=2, overlap_cap=None, kinds=["pair", "rating"])
    at = "/api/v1/projects/p"
    assert [each.path for each in server.asked] == [
        f"{at}/export?frm=kto",
        f"{at}/dataset?form=kto&type=parquet&split=prompt&held_out=0.2",
        f"{at}/export?format=tlr&type=jsonl",
        f"{at}/export?revisions=true&type=jsonl",
        at,
        at,
    ]
    assert server.asked[-1].json == {"overlap": 2, "overlap_cap": None, "kinds": ["pair", "rating"]}
    assert server.asked[-1].headers["if-match"] == '"e"'


@pytest.mark.parametrize("of", [Client, AsyncClient, RewardClient, AsyncRewardClient])
def test_nothing_is_taken_by_name_without_a_type(of: type) -> None:
    taken = {
        name: get_type_hints(method)[each.name]
        for name, method in getmembers(of, isfunction)
        for each in signature(method).parameters.values()
        if each.kind is each.VAR_KEYWORD
    }
    assert taken
    assert [name for name, kind in taken.items() if get_origin(kind) is not Unpack] == []


@pytest.mark.parametrize("of", [Client, AsyncClient])
def test_every_option_of_a_request_can_be_given(of: type[Client] | type[AsyncClient]) -> None:
    """What the methods take by name is what the requests behind them take."""
    seen = 0
    for name, method in getmembers(of, isfunction):
        last = list(signature(method).parameters.values())[-1]
        taken = get_type_hints(method).get(last.name) if last.kind is last.VAR_KEYWORD else None
        if get_origin(taken) is not Unpack or last.name != "options":
            continue
        own = set(signature(method).parameters) | set(get_type_hints(get_args(taken)[0]))
        asked = signature(getattr(operations, name)).parameters.values()
        assert {each.name for each in asked if each.kind is each.KEYWORD_ONLY} <= own, name
        seen += 1
    assert seen == 12


@pytest.mark.parametrize(
    "first",
    [
        BUSY,
        Answer(503, b"<html>"),
        Answer(502, {}),
        Answer(409, {"code": "in_flight", "detail": "Wait."}),
        Answer(cut=True),
    ],
)
def test_what_may_help_is_tried_again(server: Scripted, client: Client, first: Answer) -> None:
    server.answers = [first, first, Answer(body=SCORED)]
    assert client.score("p", "How?", ["So.", "Thus."]).scores == [1.0, 2.0]
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_what_would_not_help_is_not(server: Scripted, client: Client, status: int) -> None:
    problem = {"code": "invalid", "detail": "It is wrong.", "fields": {"prompt": "is empty"}}
    server.answers = [Answer(status, problem)]
    with pytest.raises(NotFoundError if status == 404 else ApiError) as caught:
        client.score("p", "How?", ["So."])
    assert (caught.value.status, caught.value.code, caught.value.fields) == (status, "invalid", {"prompt": "is empty"})
    assert "It is wrong." in str(caught.value)
    assert len(server.asked) == 1


def test_in_the_end_the_servers_own_reason(server: Scripted, client: Client) -> None:
    server.answers = [BUSY]
    with pytest.raises(ApiError, match="429 scorer_busy: Busy"):
        client.score("p", "How?", ["So."])
    assert len(server.asked) == QUICK.attempts


def test_a_picture_goes_as_it_is_and_consequences_by_their_refs(server: Scripted, client: Client) -> None:
    server.answers = [Answer(201, {"name": "ab.png"}), Answer(200, [])]
    assert client.add_picture("p", b"\x89PNG")["name"] == "ab.png"
    said = [{"prompt": "q", "response": "r", "text": "It worked."}]
    client.set_consequences("p", said)
    first, second = server.asked
    assert (first.path, first.body) == ("/api/v1/projects/p/pictures", b"\x89PNG")
    assert first.headers["content-type"] == "application/octet-stream"
    assert (second.path, second.json) == ("/api/v1/projects/p/consequences", {"consequences": said})


def test_retries_of_a_write_share_one_key_and_two_writes_do_not(server: Scripted, client: Client) -> None:
    stored = {
        "id": 1,
        "annotator": "a",
        "choice": "a",
        "strength": None,
        "revision": 1,
        "withdrawn": False,
        "judged_at": "",
    }
    server.answers = [BUSY, Answer(cut=True), Answer(201, stored), Answer(201, stored)]
    client.judge("p", "an-assignment", "a", strength=2)
    client.judge("p", "an-assignment", "a", strength=2)
    keys = [asked.headers["idempotency-key"] for asked in server.asked]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]
    assert server.asked[0].json == {"assignment": "an-assignment", "choice": "a", "strength": 2}


def test_waits_are_jittered_and_never_shorter_than_asked() -> None:
    retry = Retry(first=1, longest=8)
    assert [retry.wait(n, None, lambda: 1.0) for n in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 8]
    assert retry.wait(3, None, lambda: 0.0) == 0
    assert retry.wait(1, 7.0, lambda: 0.0) == 7
    assert retry.wait(1, 7.0, lambda: 0.5) == 7.5


def test_retry_after_is_read_in_both_forms() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after(httpx.Response(429, headers={"Retry-After": "7"})) == 7
    assert 25 < (retry_after(httpx.Response(429, headers={"Retry-After": later})) or 0) <= 30
    assert retry_after(httpx.Response(429, headers={"Retry-After": "soon"})) is None
    assert retry_after(httpx.Response(429)) is None


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server: Scripted, client: Client) -> None:
    server.answers = [Answer(503, {"code": "scorer_away", "detail": "Gone."}, {"Retry-After": "3600"})]
    started = time.monotonic()
    with pytest.raises(ApiError, match="scorer_away"):
        client.score("p", "How?", ["So."])
    assert time.monotonic() - started < 2
    assert len(server.asked) == 1


def test_nobody_there() -> None:
    with (
        Client("http://127.0.0.1:9", "secret", retry=QUICK) as client,
        pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"),
    ):
        client.project("p")


def test_lists_follow_their_pages(server: Scripted, client: Client) -> None:
    rest = f"{server.url}/api/v1/projects/p/judgments?cursor=abc%3D&limit=1000"
    server.answers = [
        Answer(body={"next": rest, "results": [{"id": 1}, {"id": 2}]}),
        Answer(body={"next": None, "results": [{"id": 3}]}),
    ]
    assert [row["id"] for row in client.judgments("p", annotator="a b")] == [1, 2, 3]
    assert [asked.path for asked in server.asked] == [
        "/api/v1/projects/p/judgments?annotator=a+b&limit=1000",
        "/api/v1/projects/p/judgments?cursor=abc%3D&limit=1000",
    ]


def test_an_export_streams_rows_and_breaks_loudly(server: Scripted, client: Client) -> None:
    lines = b"".join(
        json.dumps({"n": n, "text": "line\u2028\x85" * 50}, ensure_ascii=False).encode() + b"\n" for n in range(300)
    )
    server.answers = [Answer(body=lines)]
    assert [row["n"] for row in client.export("p", format="trl")] == list(range(300))
    assert server.asked[0].path == "/api/v1/projects/p/export?format=trl&type=jsonl"
    server.answers = [Answer(body=lines, headers={"Content-Length": str(len(lines) + 10)})]
    with pytest.raises(Unreachable):
        list(client.export("p"))


def test_a_download_is_whole_or_not_there(server: Scripted, client: Client, tmp_path: Path) -> None:
    server.answers = [Answer(body=b"one\ntwo\n")]
    assert client.download("p", tmp_path / "out.jsonl") == 8
    assert (tmp_path / "out.jsonl").read_bytes() == b"one\ntwo\n"
    server.answers = [Answer(body=b"one\n", headers={"Content-Length": "10"}), Answer(403, {})]
    for _ in range(2):
        with pytest.raises(ClientError):
            client.download("p", tmp_path / "broken.jsonl")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.jsonl"]


def test_waiting_for_a_run(server: Scripted, client: Client) -> None:
    run = {
        "number": 3,
        "state": "running",
        "model": "hybrid",
        "version": None,
        "error": "",
        "news": "from a newer server",
    }
    server.answers = [Answer(body=run), Answer(body=run | {"state": "done", "version": "hybrid@3"})]
    assert client.wait_for_run("p", 3, every=0.01).version == "hybrid@3"
    server.answers = [Answer(body=run)]
    with pytest.raises(ClientError, match="still running"):
        client.wait_for_run("p", 3, every=0.01, timeout=0.05)


def test_the_asynchronous_client_does_the_same(server: Scripted) -> None:
    async def act() -> Any:
        async with AsyncClient(server.url, "secret", retry=QUICK) as client:
            server.answers = [BUSY, Answer(cut=True), Answer(body=SCORED)]
            scores = (await client.score("p", "How?", ["So.", "Thus."])).scores
            server.answers = [Answer(body=b'{"n": 1}\n{"n": 2}\n')]
            rows = [row["n"] async for row in client.export("p")]
            server.answers = [Answer(body={"next": None, "results": [{"slug": "p"}]})]
            slugs = [row["slug"] async for row in client.projects()]
            server.answers = [Answer(404, {"code": "not_found", "detail": "No."})]
            with pytest.raises(NotFoundError):
                await client.project("p")
            return scores, rows, slugs

    assert asyncio.run(act()) == ([1.0, 2.0], [1, 2], ["p"])


def test_the_asynchronous_client_has_every_method_with_the_same_options() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        public = [name for name in vars(kind) if not name.startswith("_")]
        return {name.replace("aclose", "close"): list(signature(getattr(kind, name)).parameters) for name in public}

    assert methods(AsyncClient) == methods(Client)
    assert methods(AsyncRewardClient) == methods(RewardClient)


def test_files_come_and_go_asynchronously(server: Scripted, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"{}\n")
    uploaded = {"id": 7, "confirmed": True, "state": "running"}
    seen: list[str] = []

    async def act() -> Any:
        async with AsyncClient(server.url, "secret", retry=QUICK) as client:
            server.answers = [Answer(201, uploaded), Answer(body=uploaded | {"state": "done"})]
            done = await client.import_file(
                "p", tmp_path / "in.jsonl", every=0.01, watch=lambda found: seen.append(found["state"])
            )
            server.answers = [Answer(body=b"one\ntwo\n")]
            size = await client.download("p", tmp_path / "out.jsonl")
            server.answers = [Answer(body=b"one\n", headers={"Content-Length": "10"}), Answer(403, {})]
            for _ in range(2):
                with pytest.raises(ClientError):
                    await client.download("p", tmp_path / "broken.jsonl")
            packed = BytesIO()
            with ZipFile(packed, "w") as archive:
                archive.writestr("attune.json", '{"exact": true}')
            server.answers = [Answer(body=packed.getvalue())]
            about = await client.take_away("p", tmp_path / "model", user="u")
            with pytest.raises(ClientError, match="there already"):
                await client.take_away("p", tmp_path / "model")
            return done["state"], size, about

    assert asyncio.run(act()) == ("done", 8, {"exact": True})
    assert seen == ["running"]
    assert (tmp_path / "out.jsonl").read_bytes() == b"one\ntwo\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "model", "out.jsonl"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_file_is_sent_in_pieces_and_whole_again_after_a_failure(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asynchronous: bool
) -> None:
    monkeypatch.setattr("attune.client.transport.PIECE", 7)
    lines = b"".join(b'{"n": %d}\n' % n for n in range(40))
    (tmp_path / "in.jsonl").write_bytes(lines)
    server.answers = [BUSY, Answer(201, {"id": 7, "confirmed": True, "state": "done"})]

    async def act() -> None:
        async with AsyncClient(server.url, "secret", retry=QUICK) as client:
            await client.import_file("p", tmp_path / "in.jsonl")

    if asynchronous:
        asyncio.run(act())
    else:
        with Client(server.url, "secret", retry=QUICK) as client:
            client.import_file("p", tmp_path / "in.jsonl")

    assert [each.body for each in server.asked] == [lines, lines]
    assert server.asked[0].headers["content-length"] == str(len(lines))
    assert "transfer-encoding" not in server.asked[0].headers


def test_rewards_for_trl_asynchronously(server: Scripted) -> None:
    row = {"user": "u", "scores": [1.5], "stds": [0.1], "n_judgments": 3, "fallback": False}

    async def act() -> list[float | None]:
        async with AsyncRewardClient("p", user="u", url=server.url, token="t", retry=QUICK) as rewards:
            server.answers = [Answer(body={"model": "m@1", "data": [{"rewards": [row]}, {"rewards": [row]}]})]
            asked = ["Why?", "How?", "Who?"], ["So.", " ", [{"role": "assistant", "content": "Me."}]]
            return await rewards.as_trl(user_column="who", empty=-1.0)(*asked, who=[None, "v", "w"])

    assert asyncio.run(act()) == [1.5, -1.0, 1.5]
    assert server.asked[-1].json["items"] == [
        {"prompt": "Why?", "completions": ["So."], "user": "u"},
        {"prompt": "Who?", "completions": ["Me."], "user": "w"},
    ]


def test_rewards_for_one_person(server: Scripted) -> None:
    place = {"index": 1, "score": 2.0, "std": 0.1, "first": 0.9}
    server.answers = [Answer(body={"model": "m@1", "data": [place]})]
    with RewardClient("p", user="u", model="m@1", url=server.url, token="t", retry=QUICK) as rewards:
        assert rewards.rerank("How?", ["So.", "Thus."], top_n=1).best == 1
        assert server.asked[-1].json == {
            "project": "p",
            "prompt": "How?",
            "completions": ["So.", "Thus."],
            "user": "u",
            "model": "m@1",
            "top_n": 1,
        }

    async def act() -> int:
        async with AsyncRewardClient("p", url=server.url, token="t", retry=QUICK) as rewards:
            return (await rewards.rerank("How?", ["So."], user="w")).best

    assert asyncio.run(act()) == 1
    assert server.asked[-1].json["user"] == "w"


def test_as_trl_asks_once_for_a_batch_and_leaves_empty_rows_out(server: Scripted) -> None:
    def row(score: float) -> dict[str, Any]:
        return {"rewards": [{"user": None, "scores": [score], "stds": [0.1], "n_judgments": 0, "fallback": True}]}

    server.answers = [Answer(body={"data": [row(1.0), row(2.0)]})]
    with RewardClient("p", url=server.url, token="t", retry=QUICK) as rewards:
        reward = rewards.as_trl(user_column="who")
        message = [{"role": "assistant", "content": "So."}]
        found = reward(
            prompts=["A?", "B?", [{"role": "user", "content": "C?"}]],
            completions=["So.", "  ", message],
            completion_ids=[[1], [2], [3]],
            who=["u1", "u2", None],
        )
    assert found == [1.0, None, 2.0]
    assert reward.__name__ == "attune"
    (asked,) = server.asked
    assert asked.json["items"] == [
        {"prompt": "A?", "completions": ["So."], "user": "u1"},
        {"prompt": [{"role": "user", "content": "C?"}], "completions": ["So."], "user": None},
    ]


def test_as_verl(server: Scripted) -> None:
    server.answers = [Answer(body=SCORED)]
    with RewardClient("p", url=server.url, token="t", retry=QUICK) as rewards:
        compute = rewards.as_verl(prompt_key="question")

    async def act() -> Any:
        try:
            with pytest.raises(ClientError, match="extra_info has no 'question'"):
                await compute("gsm8k", "So.", None, {"index": 1})
            return await compute("gsm8k", "So.", None, {"question": "How?", "user": "u"}, unknown=1)
        finally:
            await compute.aclose()  # type: ignore[attr-defined]

    assert asyncio.run(act()) == {"score": 1.0, "std": 0.1}
    assert server.asked[-1].json["user"] == "u"


# --- where it asks --------------------------------------------------------------------------------------------------


def test_given_goes_before_environment_login_and_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClientError, match="No address"):
        find()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "demo.json").write_text(json.dumps({"url": "http://demo", "token": "d", "owner": {}}))
    assert find() == Where("http://demo", "d")
    path = remember(Where("http://kept", "k"))
    assert path == login_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert find() == Where("http://kept", "k")
    monkeypatch.setenv("ATTUNE_URL", "http://env/")
    monkeypatch.setenv("ATTUNE_TOKEN", "e")
    assert find() == Where("http://env", "e")
    assert find("http://given/", "g") == Where("http://given", "g")


def test_a_kept_token_goes_to_its_own_server_only() -> None:
    remember(Where("http://kept", "k"))
    assert find("http://kept/") == Where("http://kept", "k")
    with pytest.raises(ClientError, match="No token for http://elsewhere"):
        find("http://elsewhere")


def test_it_needs_neither_torch_nor_django() -> None:
    code = "import sys, attune.client; print([m for m in ('torch', 'django', 'numpy', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
