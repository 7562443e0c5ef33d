"""The routes for trainers beyond one list of scores: each number is the model's own, or a clear refusal."""

from __future__ import annotations

from math import erf, sqrt
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotator.models import Annotator, Judgment, Rationale
from attune.rewards.base import Latent, Scores
from personalization.models import Latent as LatentRow
from personalization.panels import Scale, Texts, rewards, table
from personalization.voices import Voice
from tests.factories import make_annotator
from tests.personalization.conftest import Api, World
from tests.personalization.worlds import item_of, judge, make_version, responses_of
from training.serving import load_model

pytestmark = pytest.mark.django_db


def post(api: Api, route: str, body: dict[str, Any]) -> Any:
    return api.post(route, body)


def ok(answer: Any) -> Any:
    assert answer.status_code == 200, answer.content
    return answer.json()


def refused(answer: Any, status: int, *fields: str) -> dict[str, Any]:
    body = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), body
    assert set(body.get("fields", {})) == set(fields), body
    return body


def item(world: World, index: int) -> dict[str, Any]:
    pair = world.pairs[index]
    return {"prompt": pair.prompt.text, "completions": [pair.response_a.text, pair.response_b.text]}


def plain(api: Api, world: World, index: int, user: str | None) -> dict[str, list[float]]:
    """What ``/score`` says of the same."""
    data = ok(post(api, "score", {"project": world.project.slug, "user": user, **item(world, index)}))["data"]
    return {"scores": [row["score"] for row in data], "stds": [row["std"] for row in data]}


@pytest.fixture
def crowd(world: World) -> list[Annotator]:
    """Four people with one judgment each, two of a kind: a of the first pair, or b; one of them simulated."""
    people = [
        make_annotator(world.project, ref=f"p{n}", about={"country": "fr" if n < 2 else "de"}, simulated=n == 3)
        for n in range(4)
    ]
    for n, person in enumerate(people):
        judge(person, world.pairs[0], "ab"[n % 2], strength=3)
    return people


# --- batches --------------------------------------------------------------------------------------------------------


def test_a_batch_says_what_single_requests_say(world: World, owner_api: Api, crowd: list[Annotator]) -> None:
    users = ["p0", None, "p3"]
    body = {"project": world.project.slug, "users": users, "items": [item(world, 0), item(world, 1)]}
    answer = ok(post(owner_api, "score/batch", body))
    assert answer["model"] == "hybrid@1"
    for index, row in enumerate(answer["data"]):
        assert (row["index"], row["cached"]) == (index, [True, True])
        assert [each["user"] for each in row["rewards"]] == users
        for each in row["rewards"]:
            single = plain(owner_api, world, index, each["user"])
            assert each["scores"] == pytest.approx(single["scores"], abs=2e-6)
            assert each["stds"] == pytest.approx(single["stds"], abs=2e-6)
            assert each["fallback"] == (each["user"] is None)


def test_each_item_may_have_its_own_user(world: World, owner_api: Api, crowd: list[Annotator]) -> None:
    items = [item(world, 0) | {"user": "p1"}, item(world, 0) | {"user": "p0"}, item(world, 0)]
    rows = ok(post(owner_api, "score/batch", {"project": world.project.slug, "items": items}))["data"]
    assert [row["rewards"][0]["user"] for row in rows] == ["p1", "p0", None]
    for row in rows:
        (each,) = row["rewards"]
        assert each["scores"] == pytest.approx(plain(owner_api, world, 0, each["user"])["scores"], abs=2e-6)


def test_new_texts_are_encoded_once_for_all(world: World, owner_api: Api, crowd: list[Annotator], scorer: str) -> None:
    new = {"prompt": "Something new?", "completions": ["Short.", "A good deal longer, with a reason.", "Short."]}
    body = {"project": world.project.slug, "users": [f"p{n}" for n in range(4)], "items": [new, new]}
    first, second = ok(post(owner_api, "score/batch", body)), ok(post(owner_api, "score/batch", body))
    assert first["usage"] == {"encoded": 2, "voices": 4}
    assert second["usage"]["encoded"] == 0
    assert first["data"][0]["rewards"] == second["data"][0]["rewards"]


def test_many_users_cost_few_queries(world: World, owner_api: Api, crowd: list[Annotator]) -> None:
    body = {"project": world.project.slug, "users": ["p0", "p1", "p2", "p3"], "items": [item(world, 0)]}
    post(owner_api, "score/batch", body)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ok(post(owner_api, "score/batch", body))
    assert len(queries) == 5, [query["sql"] for query in queries]  # token, membership, version, texts, people


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"items": []}, {"items"}),
        ({"items": ["x"]}, {"items[0]"}),
        ({"items": [{"prompt": "x", "completions": [""]}]}, {"items[0].completions[0]"}),
        ({"items": [{"prompt": "x"}]}, {"items[0].completions"}),
        ({"items": [{"prompt": "x", "completions": ["y"], "user": "p0"}]}, {"items[0].user"}),
        ({"users": []}, {"users"}),
        ({"users": ["p0", "p0"]}, {"users"}),
        ({"users": [7]}, {"users"}),
        ({"n": 1}, {"n"}),
        ({"normalize": "softmax"}, {"normalize"}),
        ({"penalty": -1}, {"penalty"}),
    ],
)
def test_wrong_batches(world: World, owner_api: Api, wrong: dict[str, Any], fields: set[str]) -> None:
    body = {"project": world.project.slug, "users": ["p0"], "items": [item(world, 0)]} | wrong
    refused(post(owner_api, "score/batch", body), 422, *fields)


def test_too_much_at_once(world: World, owner_api: Api) -> None:
    completions = [f"Answer {n}" for n in range(1024)]
    body = {"project": world.project.slug, "items": [{"prompt": "x", "completions": completions}] * 5}
    refused(post(owner_api, "score/batch", body), 422, "items")
    body = {"project": world.project.slug, "users": [f"u{n}" for n in range(300)], "items": body["items"][:1]}
    refused(post(owner_api, "score/batch", body), 422, "users")


# --- who may --------------------------------------------------------------------------------------------------------


def test_strangers_annotators_and_scopes(world: World, crowd: list[Annotator]) -> None:
    people = world.people
    body = {"project": world.project.slug, "users": ["p0"], "items": [item(world, 0)]}
    assert post(Api(people.stranger), "score/batch", body).status_code == 404
    annotator = Api(people.annotator)
    refused(post(annotator, "score/batch", body), 403)
    refused(post(annotator, "score/batch", body | {"users": ["nobody"]}), 403)
    ok(post(annotator, "score/batch", body | {"users": [world.judge.ref, None]}))
    refused(post(annotator, "score/population", {"project": world.project.slug, **item(world, 0)}), 403)
    refused(post(Api(people.owner, ("read",)), "score/batch", body), 403)
    refused(post(Api(people.owner), "score/batch", body | {"users": ["nobody"]}), 404)


# --- orders ---------------------------------------------------------------------------------------------------------


def test_rank_and_chance_of_first(world: World, owner_api: Api, crowd: list[Annotator]) -> None:
    body = {"project": world.project.slug, "user": "p0", **item(world, 0)}
    answer = ok(post(owner_api, "rank", body))
    scores = plain(owner_api, world, 0, "p0")["scores"]
    best = int(np.argmax(scores))
    assert [row["index"] for row in answer["data"]] == [best, 1 - best]
    assert [row["rank"] for row in answer["data"]] == [1, 2]
    assert answer["data"][0]["score"] == pytest.approx(scores[best], abs=2e-6)
    pair = ok(post(owner_api, "compare", {"project": world.project.slug, "user": "p0", **sides(world, 0)}))["data"][0]
    sure = (1 + erf(abs(pair["margin"]) / pair["std"] / sqrt(2))) / 2
    assert answer["data"][0]["first"] == pytest.approx(sure, abs=0.03)
    assert sum(row["first"] for row in answer["data"]) == pytest.approx(1, abs=1e-3)
    assert answer["personalization"] == [{"user": "p0", "n_judgments": 1, "fallback": False}]
    assert len(ok(post(owner_api, "rank", body | {"top_n": 1}))["data"]) == 1


def sides(world: World, index: int) -> dict[str, str]:
    pair = world.pairs[index]
    return {"prompt": pair.prompt.text, "response_a": pair.response_a.text, "response_b": pair.response_b.text}


def test_a_user_never_seen_is_known_by_the_context_and_nothing_is_stored(world: World, owner_api: Api) -> None:
    context = [{**sides(world, 0), "choice": "b", "strength": 3}] * 4
    before = (Annotator.objects.count(), Judgment.objects.count(), LatentRow.objects.count())
    body = {"project": world.project.slug, "user": "never-seen", "context": context, **item(world, 0)}
    answer = ok(post(owner_api, "rank", body))
    assert answer["data"][0]["index"] == 1
    assert answer["personalization"] == [{"user": "never-seen", "n_judgments": 4, "fallback": False}]
    assert (Annotator.objects.count(), Judgment.objects.count(), LatentRow.objects.count()) == before
    refused(post(owner_api, "rank", body | {"context": []}), 404)


def test_percentiles_that_tie_keep_the_models_order(world: World, owner_api: Api) -> None:
    raw = ok(post(owner_api, "rank", {"project": world.project.slug, **item(world, 0)}))
    scaled = ok(post(owner_api, "rank", {"project": world.project.slug, "normalize": "percentile", **item(world, 0)}))
    assert [row["index"] for row in raw["data"]] == [row["index"] for row in scaled["data"]]


def test_best_of_n_for_many(world: World, owner_api: Api, crowd: list[Annotator]) -> None:
    items = [item(world, 0) | {"user": "p0"}, item(world, 0) | {"user": "p1"}, item(world, 1)]
    answer = ok(post(owner_api, "best-of-n", {"project": world.project.slug, "items": items}))
    for row, asked in zip(answer["data"], items, strict=True):
        scores = plain(owner_api, world, 1 if asked is items[2] else 0, asked.get("user"))["scores"]
        assert row["best"] == int(np.argmax(scores))
        assert row["completion"] == asked["completions"][row["best"]]
        assert row["scores"] == pytest.approx(scores, abs=2e-6)
    shared = {"project": world.project.slug, "user": "p0", "items": [item(world, 0)]}
    assert ok(post(owner_api, "best-of-n", shared))["data"][0]["best"] == answer["data"][0]["best"]
    refused(post(owner_api, "best-of-n", shared | {"items": items[:1]}), 422, "items[0].user")


def test_explanation(world: World, owner_api: Api) -> None:
    said = judge(world.judge, world.pairs[0], "a", strength=3)
    judge(world.judge, world.pairs[1], "b")
    Rationale.objects.create(judgment=said, text="Short and clear.", tags=[{"tag": "clear", "side": "a", "good": True}])
    body = {"project": world.project.slug, "user": world.judge.ref, "explain": True, **item(world, 0)}
    why = ok(post(owner_api, "rank", body))["explanation"]
    model = load_model(world.version)
    a, b = (item_of(world.version, each)[None] for each in responses_of(world.pairs[:1]))
    mine = next(each for each in why["judgments"] if each["judgment_id"] == said.pk)
    assert (mine["tags"], mine["rationale"], mine["choice"]) == (["clear"], "Short and clear.", "a")
    assert {"tag": "clear", "count": 1} in why["tags"]
    sign = 1 if why["first"] == 0 else -1
    from personalization.latents import find_person

    person = find_person(served=world.version, pk=world.judge.pk)
    assert person
    margin = float(model.margin(person.latent, a, b)[0][0])
    assert why["margin"] == pytest.approx(sign * margin, abs=1e-5)
    assert mine["moved"] * sign > 0  # without it, a would be liked less
    assert ok(post(owner_api, "score", body))["explanation"] == why
    alone = body | {"completions": body["completions"][:1]}  # type: ignore[index]
    assert ok(post(owner_api, "score", alone))["explanation"] is None
    assert "explanation" not in ok(post(owner_api, "score", body | {"explain": False}))
    newcomer = body | {"user": None, "context": [{**sides(world, 0), "choice": "b"}]}
    assert ok(post(owner_api, "score", newcomer))["explanation"]["judgments"] == []
    refused(post(owner_api, "score", body | {"explain": "yes"}), 422, "explain")
    refused(post(owner_api, "rank", body | {"user": None, "population": {}}), 422, "explain")


# --- populations ----------------------------------------------------------------------------------------------------


def test_population_mean_worst_and_groups(world: World, owner_api: Api, crowd: list[Annotator]) -> None:
    each = np.array([plain(owner_api, world, 0, f"p{n}")["scores"] for n in range(4)])
    body = {"project": world.project.slug, **item(world, 0), "population": {"group_by": "country"}}
    answer = ok(post(owner_api, "score/population", body))
    assert [row["score"] for row in answer["data"]] == pytest.approx(each.mean(axis=0).tolist(), abs=1e-5)
    assert [row["spread"] for row in answer["data"]] == pytest.approx(each.std(axis=0).tolist(), abs=1e-5)
    assert answer["population"] == {"how": "mean", "people": 4, "simulated": 1}
    groups = {group["group"]: group for group in answer["groups"]}
    assert set(groups) == {"fr", "de"}
    assert groups["fr"]["scores"] == pytest.approx(each[:2].mean(axis=0).tolist(), abs=1e-5)
    worst = ok(post(owner_api, "score/population", body | {"population": {"how": "worst"}}))
    assert [row["score"] for row in worst["data"]] == pytest.approx(each.min(axis=0).tolist(), abs=1e-5)
    assert [row["lowest"]["user"] for row in worst["data"]] == [f"p{n}" for n in each.argmin(axis=0)]
    people = ok(post(owner_api, "score/population", body | {"population": {"simulated": False}}))
    assert people["population"] == {"how": "mean", "people": 3, "simulated": 0}
    named = {"users": ["p0", "p1", "p2"], "groups": {"one": ["p0", "p1"], "two": ["p1", "p2"]}}
    answer = ok(post(owner_api, "score/population", body | {"population": named}))
    assert [(group["group"], group["n"]) for group in answer["groups"]] == [("one", 2), ("two", 2)]


def test_maxmin_chooses_what_nobody_hates(world: World, owner_api: Api, crowd: list[Annotator]) -> None:
    body = {"project": world.project.slug, "items": [item(world, 0)], "population": {"how": "worst"}}
    row = ok(post(owner_api, "best-of-n", body))["data"][0]
    each = np.array([plain(owner_api, world, 0, f"p{n}")["scores"] for n in range(4)])
    assert row["best"] == int(each.min(axis=0).argmax())
    assert row["first"] == pytest.approx(float((each.argmax(axis=1) == row["best"]).mean()))


@pytest.mark.parametrize(
    ("population", "status", "fields"),
    [
        ({"over": "prototypes"}, 422, {"population.over"}),
        ({"over": "users"}, 422, {"population.users"}),
        ({"users": ["p0"], "over": "annotators"}, 422, {"population.users"}),
        ({"users": ["gone"]}, 404, set()),
        ({"simulated": True, "users": ["p0"]}, 422, {"population"}),
        ({"groups": {"x": ["gone"]}}, 404, set()),
        ({"groups": {}}, 422, {"population.groups"}),
        ({"how": "median"}, 422, {"population.how"}),
        ("everybody", 422, {"population"}),
    ],
)
def test_wrong_populations(
    world: World, owner_api: Api, crowd: list[Annotator], population: Any, status: int, fields: set[str]
) -> None:
    body = {"project": world.project.slug, **item(world, 0), "population": population}
    refused(post(owner_api, "score/population", body), status, *fields)


def test_nobody_has_judged_yet(world: World, owner_api: Api) -> None:
    refused(post(owner_api, "score/population", {"project": world.project.slug, **item(world, 0)}), 422, "population")


# --- pairs ----------------------------------------------------------------------------------------------------------


def test_compare_is_calibrated_mirrors_and_is_distributed(world: World, owner_api: Api, crowd: list[Annotator]) -> None:
    asked = {"project": world.project.slug, **sides(world, 0)}
    turned = asked | {"response_a": asked["response_b"], "response_b": asked["response_a"]}
    one, other = (ok(post(owner_api, "compare", body | {"user": "p0"}))["data"][0] for body in (asked, turned))
    assert one["probability"] + other["probability"] == pytest.approx(1, abs=1e-5)
    assert one["margin"] == pytest.approx(-other["margin"], abs=1e-5)
    assert 0 < one["tie"] < 1
    each = [ok(post(owner_api, "compare", asked | {"user": f"p{n}"}))["data"][0]["probability"] for n in range(4)]
    row = ok(post(owner_api, "compare", asked | {"population": {}}))["data"][0]
    assert row["probability"] == pytest.approx(np.mean(each), abs=1e-5)
    assert row["distribution"]["prefer_a"] == np.mean(np.array(each) > 0.5)
    assert row["distribution"]["quantiles"]["0.5"] == pytest.approx(np.median(each), abs=1e-5)
    rows = ok(post(owner_api, "compare", {"project": asked["project"], "pairs": [sides(world, n) for n in range(3)]}))
    assert len(rows["data"]) == 3
    refused(post(owner_api, "compare", asked | {"pairs": [sides(world, 0)]}), 422, "prompt", "response_a", "response_b")


def test_a_pinned_version_answers(world: World, owner_api: Api) -> None:
    other = make_version(world.project, responses_of(world.pairs), seed=5, live=False)
    body = {"project": world.project.slug, **sides(world, 0)}
    live, pinned = ok(post(owner_api, "compare", body)), ok(post(owner_api, "compare", body | {"model": other.label}))
    assert (live["model"], pinned["model"]) == ("hybrid@1", "hybrid@2")
    assert live["data"] != pinned["data"]
    refused(post(owner_api, "compare", body | {"model": "hybrid@9"}), 404)


# --- ensembles and prototypes ---------------------------------------------------------------------------------------


class Twice:
    """Two members over one model's items: its own reward, and the same less one for each item in turn."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def member_scores(self, latent: Latent, items: Any) -> Scores:
        own = self.model.score(latent, items)
        less = own.mean - np.arange(len(items), dtype=np.float32)
        return Scores(np.stack([own.mean, less]), np.stack([own.std, own.std]))


def test_aggregates_of_an_ensemble(world: World, owner_api: Api) -> None:
    model = load_model(world.version)
    items = model.items([str(each.pk) for each in responses_of(world.pairs[:1])])
    texts, voice = Texts(world.version, Twice(model), {}), Voice(None, model.prior())  # type: ignore[arg-type]
    own = model.score(voice.latent, items).mean
    worst = rewards(texts, voice, items, Scale(aggregate="wco"))
    careful = rewards(texts, voice, items, Scale(aggregate="uwo", penalty=2.0))
    assert worst.mean.tolist() == pytest.approx((own - [0, 1]).tolist())
    assert careful.mean.tolist() == pytest.approx((own - [0, 0.5] - 2.0 * np.array([0, 0.25])).tolist())
    assert table(texts, [voice, voice], items, Scale(aggregate="wco")).mean.shape == (2, 2)
    for name in ("wco", "uwo"):
        body = {"project": world.project.slug, "aggregate": name, **item(world, 0)}
        refused(post(owner_api, "rank", body), 422, "aggregate")
