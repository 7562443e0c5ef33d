"""Drop-in routes: the clients' own code against a live server gets the model's own rewards, or its own kind of error."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import aiohttp
import cohere
import httpx
import numpy as np
import openai
import pytest
import requests
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from attune.rewards.base import Latent
from tests.personalization.conftest import Api, World
from tests.personalization.worlds import item_of, judge, make_version, responses_of
from training.serving import load_model

QWEN = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


def raw(world: World, latent: Latent | None = None, pair: int = 0) -> list[float]:
    """The model's own rewards of a pair, a and b."""
    model = load_model(world.version)
    items = np.stack([item_of(world.version, each) for each in responses_of(world.pairs[pair : pair + 1])])
    return [float(each) for each in model.score(latent or model.prior(), items).mean]


def adapted(world: World) -> Latent:
    from personalization.latents import find_person

    person = find_person(served=world.version, pk=world.judge.pk)
    assert person
    return person.latent


def sigmoid(values: list[float]) -> list[float]:
    return [1 / (1 + float(np.exp(-each))) for each in values]


@pytest.fixture
def token(world: World) -> str:
    judge(world.judge, world.pairs[0], "b", strength=3)
    return Api(world.people.owner, ("score",)).token


@pytest.fixture
def texts(world: World) -> tuple[str, list[str]]:
    pair = world.pairs[0]
    return pair.prompt.text, [pair.response_a.text, pair.response_b.text]


@pytest.fixture
def me(world: World) -> str:
    """The judge, as clients name them in ``model``."""
    return f"{world.project.slug}:{world.judge.ref}"


# --- OpenRLHF: requests and aiohttp as it uses them -----------------------------------------------------------------


def with_token(server: LiveServer, token: str) -> str:
    return server.url.replace("http://", f"http://token:{token}@")


def test_openrlhf_as_its_synchronous_wrapper_calls(
    live_server: LiveServer, world: World, token: str, texts: Any, me: str
) -> None:
    prompt, responses = texts
    template = QWEN.format(prompt=prompt)
    data = {
        "query": [f"{template}{text}<|im_end|>\n" for text in responses],
        "prompts": [template] * 2,
        "labels": ["", ""],
    }
    url = f"{with_token(live_server, token)}/u/{me}/get_reward"
    response = requests.post(url=url, json=data, headers={"Content-Type": "application/json"}, timeout=30)
    response.raise_for_status()
    found = response.json()
    assert found["rewards"] == pytest.approx(raw(world, adapted(world)), abs=1e-5)
    assert found["scores"] == pytest.approx(sigmoid(found["rewards"]), abs=1e-5)
    assert all(len(values) == 2 for values in found["extra_logs"].values())
    assert found["extra_logs"]["n_judgments"] == [1, 1]


def test_openrlhf_as_its_asynchronous_wrapper_calls(
    live_server: LiveServer, world: World, token: str, texts: Any, me: str
) -> None:
    """One text a request, many at once, user and token in the address."""
    prompt, responses = texts
    url = f"{with_token(live_server, token)}/u/{me}/openrlhf"

    async def one(session: aiohttp.ClientSession, text: str) -> Any:
        data = {"query": [prompt + text], "prompts": [prompt], "labels": [None]}
        async with session.post(url, json=data) as response:
            response.raise_for_status()
            return (await response.json())["rewards"]

    async def all_of_them() -> Any:
        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(one(session, text) for text in responses * 4))

    rewards = asyncio.run(all_of_them())
    assert np.ravel(rewards).tolist() == pytest.approx(raw(world, adapted(world)) * 4, abs=1e-5)


@pytest.mark.django_db
def test_openrlhf_labels_may_name_the_users(world: World, token: str, texts: Any) -> None:
    prompt, responses = texts
    body = {"query": [prompt + responses[0]] * 2, "prompts": [prompt] * 2, "labels": [world.judge.ref, ""]}
    answer = post(token, f"u/{world.project.slug}:/openrlhf?user=labels", body)
    assert answer.json()["rewards"] == pytest.approx([raw(world, adapted(world))[0], raw(world)[0]], abs=1e-5)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"prompts": ["Another question?"]}, "does not begin with"),
        ({"prompts": []}, "must be a list of 1"),
        ({"query": []}, "is empty"),
        ({"query": ["How?"], "prompts": ["How?"]}, "is empty"),
        ({"query": [7]}, "expected a text"),
    ],
)
def test_openrlhf_gets_no_reward_for_nonsense(world: World, token: str, me: str, wrong: Any, says: str) -> None:
    body = {"query": ["How? So."], "prompts": ["How?"], "labels": [""]} | wrong
    answer = post(token, f"u/{me}/get_reward", body)
    assert answer.status_code == 422
    assert says in answer.json()["error"]
    assert "rewards" not in answer.json()


# --- vLLM, verl, SGLang ---------------------------------------------------------------------------------------------


def post(token: str, path: str, body: Any) -> Any:
    client = Client(headers={"Authorization": f"Bearer {token}"})
    return client.post(f"/{path}", body, content_type="application/json")


def test_verl_reads_the_raw_reward_from_classify(
    live_server: LiveServer, world: World, token: str, texts: Any, me: str
) -> None:
    """verl posts the conversation in the reward model's chat template and reads data[-1].probs[-1]."""
    prompt, responses = texts
    body = {"model": me, "input": f"{QWEN.format(prompt=prompt)}{responses[1]}<|im_end|>\n", "use_activation": False}

    async def call() -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.request("POST", f"{live_server.url}/classify", json=body, headers=headers) as response:
            response.raise_for_status()
            return await response.json()

    found = asyncio.run(call())
    assert found["data"][-1]["probs"][-1] == pytest.approx(raw(world, adapted(world))[1], abs=1e-5)
    assert (found["data"][0]["num_classes"], found["data"][0]["label"]) == (1, None)


@pytest.mark.django_db
def test_classify_many_and_with_activation(world: World, token: str, texts: Any) -> None:
    prompt, responses = texts
    inputs = [f"{QWEN.format(prompt=prompt)}{text}<|im_end|>" for text in responses]
    body = {"model": world.project.slug, "input": inputs, "use_activation": True}
    rows = post(token, "classify", body).json()["data"]
    assert [row["probs"][0] for row in rows] == pytest.approx(sigmoid(raw(world)), abs=1e-5)
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": responses[0]}]
    (row,) = post(token, "classify", {"model": world.project.slug, "messages": messages}).json()["data"]
    assert row["probs"] == pytest.approx(raw(world)[:1], abs=1e-5)


@pytest.mark.django_db
@pytest.mark.parametrize("route", ["score", "v1/score"])
@pytest.mark.parametrize("names", [("text_1", "text_2"), ("queries", "documents")])
def test_score_one_against_many_and_pair_by_pair(
    world: World, token: str, texts: Any, me: str, route: str, names: tuple[str, str]
) -> None:
    prompt, responses = texts
    for queries in (prompt, [prompt], [prompt, prompt]):
        answer = post(token, route, {"model": me, names[0]: queries, names[1]: responses})
        assert [row["score"] for row in answer.json()["data"]] == pytest.approx(raw(world, adapted(world)), abs=1e-5)
        assert (answer["Attune-Model"], answer["Attune-Judgments"], answer["Attune-Fallback"]) == (
            "hybrid@1",
            "1",
            "false",
        )
    assert post(token, route, {"model": me, names[0]: [prompt] * 3, names[1]: responses}).status_code == 400


def test_openai_client_reads_one_dimension(
    live_server: LiveServer, world: World, token: str, texts: Any, me: str
) -> None:
    """It asks for base64 by itself."""
    prompt, responses = texts
    inputs = [f"\n\nHuman: {prompt}\n\nAssistant: {text}" for text in responses]
    with openai.OpenAI(base_url=f"{live_server.url}/v1", api_key=token, max_retries=0) as client:
        found = client.embeddings.create(model=me, input=inputs)
        floats = client.embeddings.create(model=me, input=inputs[0], encoding_format="float")
        assert [len(row.embedding) for row in found.data] == [1, 1]
        assert [row.embedding[0] for row in found.data] == pytest.approx(raw(world, adapted(world)), abs=1e-5)
        assert floats.data[0].embedding == pytest.approx(found.data[0].embedding, abs=1e-6)
        with pytest.raises(openai.BadRequestError, match="told apart") as caught:
            client.embeddings.create(model=me, input="No conversation.")
        assert caught.value.code == "invalid"
        with pytest.raises(openai.NotFoundError, match="no project"):
            client.embeddings.create(model="elsewhere", input=inputs)
    with (
        openai.OpenAI(base_url=f"{live_server.url}/v1", api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match="unknown, revoked or expired"),
    ):
        client.embeddings.create(model=me, input=inputs)


# --- reranking ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "user"])
def test_cohere_client_reranks(
    live_server: LiveServer, world: World, token: str, texts: Any, me: str, prefix: str
) -> None:
    prompt, responses = texts
    scores = raw(world, adapted(world))
    base, model = (f"{live_server.url}/u/{world.judge.ref}", world.project.slug) if prefix else (live_server.url, me)
    with httpx.Client() as transport:
        _reranks(transport, token, base, model, prompt, responses, scores)


def _reranks(
    transport: httpx.Client, token: str, base: str, model: str, prompt: str, responses: Any, scores: Any
) -> None:
    client = cohere.ClientV2(api_key=token, base_url=base, httpx_client=transport)
    found = client.rerank(model=model, query=prompt, documents=responses)
    best = int(np.argmax(scores))
    assert [row.index for row in found.results] == [best, 1 - best]
    assert found.results[0].relevance_score == pytest.approx(sigmoid(scores)[best], abs=1e-5)
    assert len(client.rerank(model=model, query=prompt, documents=responses, top_n=1).results) == 1
    first = cohere.Client(api_key=token, base_url=base, httpx_client=transport).rerank(
        model=model, query=prompt, documents=responses, return_documents=True
    )
    assert first.results[0].document.text == responses[best]  # type: ignore[union-attr]
    with pytest.raises(cohere.NotFoundError) as caught:
        client.rerank(model="elsewhere", query=prompt, documents=responses)
    assert "no project" in caught.value.body["message"]
    with pytest.raises(cohere.UnprocessableEntityError):
        client.rerank(model=model, query=prompt, documents=[])


@pytest.mark.django_db
@pytest.mark.parametrize("route", ["rerank", "v1/rerank", "v2/rerank"])
def test_jina_and_vllm_send_documents(world: World, token: str, texts: Any, me: str, route: str) -> None:
    """Documents may be objects, as Jina allows; errors carry Jina's ``detail`` and vLLM's ``error``."""
    prompt, responses = texts
    body = {"model": me, "query": prompt, "documents": [{"text": each} for each in responses], "top_n": 2}
    found = post(token, route, body).json()
    scores = sigmoid(raw(world, adapted(world)))
    assert [row["relevance_score"] for row in found["results"]] == pytest.approx(sorted(scores, reverse=True), abs=1e-5)
    wrong = post(token, route, body | {"top_n": 0})
    assert wrong.status_code == 422
    assert wrong.json()["detail"] == wrong.json()["message"] == wrong.json()["error"]["message"]


@pytest.mark.django_db
def test_tei(world: World, token: str, texts: Any, me: str) -> None:
    """A recorded shape: no Python package of TEI's own sends it."""
    prompt, responses = texts
    scores = raw(world, adapted(world))
    best = int(np.argmax(scores))
    rows = post(
        token, f"u/{me}/rerank", {"query": prompt, "texts": responses, "raw_scores": False, "truncate": True}
    ).json()
    assert rows == [
        {"index": index, "score": pytest.approx(sigmoid(scores)[index], abs=1e-5)} for index in (best, 1 - best)
    ]
    rows = post(token, f"u/{me}/rerank", {"query": prompt, "texts": responses, "raw_scores": True, "return_text": True})
    assert rows.json()[0] == {"index": best, "score": pytest.approx(scores[best], abs=1e-5), "text": responses[best]}
    single = post(token, f"u/{me}/predict", {"inputs": [prompt, responses[0]], "raw_scores": True}).json()
    assert single == [{"score": pytest.approx(scores[0], abs=1e-5), "label": "LABEL_0"}]
    many = post(token, f"u/{me}/predict", {"inputs": [[prompt, text] for text in responses]}).json()
    assert [row[0]["score"] for row in many] == pytest.approx(sigmoid(scores), abs=1e-5)
    wrong = post(token, f"u/{me}/rerank", {"query": prompt, "texts": []})
    assert (wrong.status_code, set(wrong.json()), wrong.json()["error_type"]) == (
        422,
        {"error", "error_type"},
        "validation",
    )


# --- who is meant ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_ways_to_name_project_user_and_version(world: World, texts: Any) -> None:
    prompt, responses = texts
    other = make_version(world.project, responses_of(world.pairs), seed=4, live=False)
    judge(world.judge, world.pairs[0], "b", strength=3)
    slug, ref = world.project.slug, world.judge.ref
    free, bound = Api(world.people.owner).token, Api(world.people.owner, project=world.project).token
    body = {"text_1": prompt, "text_2": responses}

    def version_and_judgments(token: str, path: str, **model: str) -> tuple[str, str]:
        answer = post(token, path, body | model)
        assert answer.status_code == 200, answer.content
        return answer["Attune-Model"], answer["Attune-Judgments"]

    assert version_and_judgments(free, "score", model=slug) == ("hybrid@1", "0")
    assert version_and_judgments(free, "score", model=f"{slug}:") == ("hybrid@1", "0")
    assert version_and_judgments(free, "score", model=f"{slug}:{ref}") == ("hybrid@1", "1")
    assert version_and_judgments(free, "score", model=f"{slug}@{other.label}:{ref}") == ("hybrid@2", "1")
    assert version_and_judgments(free, f"u/{ref}/score", model=slug) == ("hybrid@1", "1")
    assert version_and_judgments(free, f"u/{slug}@{other.label}:{ref}/score") == ("hybrid@2", "1")
    assert version_and_judgments(bound, "score") == ("hybrid@1", "0")
    assert version_and_judgments(bound, f"u/{ref}/score") == ("hybrid@1", "1")
    assert version_and_judgments(bound, f"u/{slug}:{ref}/score") == ("hybrid@1", "1")
    assert version_and_judgments(bound, "u/*/score") == ("hybrid@1", "0")
    assert post(free, "score", body).status_code == 400
    assert post(free, f"u/{ref}/score", body | {"model": f"{slug}:somebody"}).status_code == 400
    assert post(free, "score", body | {"model": 7}).status_code == 400


ROUTES = {
    "openrlhf": {"query": ["How? So."], "prompts": ["How?"], "labels": [""]},
    "get_reward": {"query": ["How? So."], "prompts": ["How?"], "labels": [""]},
    "classify": {"input": "\n\nHuman: How?\n\nAssistant: So."},
    "score": {"text_1": "How?", "text_2": "So."},
    "v1/score": {"queries": "How?", "documents": ["So."]},
    "rerank": {"query": "How?", "texts": ["So."]},
    "v1/rerank": {"query": "How?", "documents": ["So."]},
    "v2/rerank": {"query": "How?", "documents": ["So."]},
    "predict": {"inputs": ["How?", "So."]},
    "v1/embeddings": {"input": "\n\nHuman: How?\n\nAssistant: So."},
}


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_refuses_in_its_own_words(world: World, route: str) -> None:
    """No token, a token without the scope, another project, a new text with no scorer, not JSON: never a number."""
    slug = world.project.slug
    path, body = f"u/{slug}:/{route}", ROUTES[route]
    owner, stranger = Api(world.people.owner).token, Api(world.people.stranger).token
    seen = [
        post("nonsense", path, body),
        post(Api(world.people.owner, ("read",)).token, path, body),
        post(stranger, path, body),
        post(owner, path, body),
        post(owner, path, b"{"),
        post(owner, path, []),
        Client(headers={"Authorization": f"Bearer {owner}"}).get(f"/{path}"),
    ]
    statuses = [each.status_code for each in seen]
    assert statuses[:4] == [401, 403, 404, 503], [each.content for each in seen]
    assert set(statuses[4:6]) <= {400, 422}
    assert statuses[6] == 405
    assert seen[3]["Retry-After"] == "5"
    for each in seen:
        found = each.json()
        message = found.get("error") or found.get("message")
        assert message, found
        assert each["Content-Type"] == "application/json"


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES)
def test_new_texts_are_scored_with_basic_credentials(world: World, scorer: str, route: str) -> None:
    plain = Api(world.people.owner).token
    credentials = base64.b64encode(f"token:{plain}".encode()).decode()
    client = Client(headers={"Authorization": f"Basic {credentials}"})
    answer = client.post(f"/u/{world.project.slug}:/{route}", ROUTES[route], content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert answer["Attune-Model"] == "hybrid@1"
