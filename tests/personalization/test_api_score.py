"""POST /api/v1/score: the model's own numbers, for the right person, under the right version, or a clear refusal."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from annotator.errors import Invalid
from annotator.models import Rationale, Role
from annotator.models.content import MAX_TEXT
from annotator.services.answers import MAX_RATIONALE
from attune.client import options
from attune.encoders import get_encoder
from attune.rewards.aggregates import Aggregate
from attune.rewards.base import Comparison
from personalization.api.parsing import parse_score_request
from personalization.models import Latent
from personalization.scoring import Normalize
from tests.factories import make_annotator, make_member, make_response
from tests.personalization.conftest import Api, World
from tests.personalization.worlds import (
    item_of,
    judge,
    make_reading_version,
    make_version,
    responses_of,
    say_again,
    take_back,
)
from training.models import ModelVersion, TextVector
from training.serving import load_model

pytestmark = pytest.mark.django_db


def test_the_client_offers_what_the_server_takes() -> None:
    assert get_args(options.Normalize) == get_args(Normalize)
    assert get_args(options.Aggregate) == get_args(Aggregate)


def body(world: World, **fields: Any) -> dict[str, Any]:
    """A request for both responses of the first pair, for everybody."""
    pair = world.pairs[0]
    asked = {
        "project": world.project.slug,
        "prompt": pair.prompt.text,
        "completions": [pair.response_a.text, pair.response_b.text],
    }
    return asked | fields


def scores(answer: Any) -> list[float]:
    assert answer.status_code == 200, answer.content
    return [row["score"] for row in answer.json()["data"]]


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return answer.json()


def direct(world: World, context: list[Comparison]) -> tuple[list[float], list[float]]:
    """What the model itself gives the first pair's responses: means and deviations."""
    model = load_model(world.version)
    items = np.stack([item_of(world.version, each) for each in responses_of(world.pairs[:1])])
    found = model.score(model.adapt(context), items)
    return found.mean.tolist(), found.std.tolist()


def said(world: World, index: int, choice: Any) -> Comparison:
    pair = world.pairs[index]
    return Comparison(item_of(world.version, pair.response_a), item_of(world.version, pair.response_b), choice)


# --- whose reward ---------------------------------------------------------------------------------------------------


def test_everybody_gets_the_prior(world: World, owner_api: Api) -> None:
    answer = owner_api.score(body(world)).json()
    mean, std = direct(world, [])
    assert [row["score"] for row in answer["data"]] == pytest.approx(mean, abs=2e-6)
    assert [row["std"] for row in answer["data"]] == pytest.approx(std, abs=2e-6)
    assert [(row["index"], row["object"], row["cached"]) for row in answer["data"]] == [
        (0, "score", True),
        (1, "score", True),
    ]
    assert (answer["object"], answer["model"], answer["user"]) == ("list", "hybrid@1", None)
    assert answer["personalization"] == {"n_judgments": 0, "fallback": True}
    assert answer["usage"] == {"completions": 2, "encoded": 0}
    assert answer["id"].startswith("score-")


def test_a_person_gets_their_own(world: World, owner_api: Api) -> None:
    judge(world.judge, world.pairs[1], "a")
    judge(world.judge, world.pairs[2], "b")
    answer = owner_api.score(body(world, user=world.judge.ref)).json()
    mean, std = direct(world, [said(world, 1, "a"), said(world, 2, "b")])
    assert [row["score"] for row in answer["data"]] == pytest.approx(mean, abs=1e-5)
    assert [row["std"] for row in answer["data"]] == pytest.approx(std, abs=1e-5)
    assert answer["user"] == world.judge.ref
    assert answer["personalization"] == {"n_judgments": 2, "fallback": False}


def test_a_judgment_an_undo_and_a_flip_move_it(world: World, owner_api: Api) -> None:
    asked = body(world, user=world.judge.ref)
    before = scores(owner_api.score(asked))
    first = judge(world.judge, world.pairs[0], "a")
    liked = scores(owner_api.score(asked))
    assert liked[0] - liked[1] > before[0] - before[1]
    withdrawn = take_back(first)
    assert scores(owner_api.score(asked)) == pytest.approx(before, abs=1e-6)
    say_again(withdrawn, "b")
    flipped = scores(owner_api.score(asked))
    assert flipped[0] - flipped[1] < before[0] - before[1]


def test_inline_context_is_enough_for_somebody_new_and_is_not_stored(world: World, owner_api: Api) -> None:
    pair = world.pairs[1]
    context = [
        {
            "prompt": pair.prompt.text,
            "response_a": pair.response_a.text,
            "response_b": pair.response_b.text,
            "choice": "b",
        }
    ]
    for user in (None, "never seen"):
        answer = owner_api.score(body(world, context=context, user=user)).json()
        assert [row["score"] for row in answer["data"]] == pytest.approx(
            direct(world, [said(world, 1, "b")])[0], abs=1e-5
        )
        assert answer["personalization"] == {"n_judgments": 1, "fallback": False}
    judge(world.judge, world.pairs[2], "a")
    both = scores(owner_api.score(body(world, context=context, user=world.judge.ref)))
    assert both == pytest.approx(direct(world, [said(world, 2, "a"), said(world, 1, "b")])[0], abs=1e-5)
    assert Latent.objects.count() == 1  # of the judge's own judgment only


def test_the_request_prompt_is_the_contexts_unless_it_has_one(world: World, owner_api: Api) -> None:
    pair = world.pairs[0]
    context = [{"response_a": pair.response_a.text, "response_b": pair.response_b.text, "choice": "a", "strength": 2}]
    expected = Comparison(item_of(world.version, pair.response_a), item_of(world.version, pair.response_b), "a", 2)
    assert scores(owner_api.score(body(world, context=context))) == pytest.approx(
        direct(world, [expected])[0], abs=1e-5
    )


# --- and why --------------------------------------------------------------------------------------------------------

TAGS = [{"tag": "clear", "side": "a", "good": True}, {"tag": "warm", "side": "b", "good": False}]


def inline(world: World, index: int, choice: str, **fields: Any) -> dict[str, Any]:
    pair = world.pairs[index]
    a, b = pair.response_a.text, pair.response_b.text
    return {"prompt": pair.prompt.text, "response_a": a, "response_b": b, "choice": choice} | fields


@pytest.mark.parametrize("swapped", [False, True])
def test_an_inline_reason_counts_as_a_stored_one(world: World, owner_api: Api, swapped: bool) -> None:
    make_reading_version(world.project, responses_of(world.pairs))
    first = judge(world.judge, world.pairs[1], "a", swapped=swapped)
    Rationale.objects.create(judgment=first, text="Short, and kind.", tags=TAGS)
    judge(world.judge, world.pairs[2], "b")
    stored = scores(owner_api.score(body(world, user=world.judge.ref)))
    told = inline(world, 1, "a", swapped=swapped, tags=TAGS, rationale="Short, and kind.")
    context = [told, inline(world, 2, "b")]
    assert scores(owner_api.score(body(world, user="new", context=context))) == pytest.approx(stored, abs=1e-5)
    for part in ({"tags": TAGS}, {"rationale": "Short, and kind."}, {}):
        partly = [inline(world, 1, "a", swapped=swapped, **part), context[1]]
        assert scores(owner_api.score(body(world, context=partly))) != pytest.approx(stored, abs=1e-3)
    assert Rationale.objects.count() == 1


def test_every_route_with_a_context_hears_reasons(world: World, owner_api: Api) -> None:
    make_reading_version(world.project, responses_of(world.pairs))
    told, silent = [inline(world, 1, "a", tags=TAGS)], [inline(world, 1, "a")]
    expected = scores(owner_api.score(body(world, context=told)))
    ranked = owner_api.post("rank", body(world, context=told)).json()["data"]
    assert [row["score"] for row in sorted(ranked, key=lambda row: row["index"])] == pytest.approx(expected, abs=1e-5)
    pair = inline(world, 0, "a")
    del pair["choice"]
    heard, unheard = (
        owner_api.post("compare", {"project": world.project.slug, **pair, "context": each}).json()["data"][0]["margin"]
        for each in (told, silent)
    )
    assert heard == pytest.approx(expected[0] - expected[1], abs=1e-4)
    assert heard != pytest.approx(unheard, abs=1e-3)


def test_models_that_read_no_reasons_leave_them(world: World, owner_api: Api) -> None:
    told = [inline(world, 1, "b", tags=TAGS, rationale="Short.")]
    assert scores(owner_api.score(body(world, context=told))) == pytest.approx(
        direct(world, [said(world, 1, "b")])[0], abs=1e-5
    )


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ([{"tag": "loud", "side": "a", "good": True}], "“loud” is not a reason tag of this project (clear, warm)."),
        ([TAGS[0], TAGS[0] | {"good": False}], "both good and bad"),
    ],
)
def test_a_tag_that_the_project_lacks_is_refused(
    world: World, owner_api: Api, tags: list[dict[str, Any]], reason: str
) -> None:
    context = [inline(world, 1, "a"), inline(world, 2, "a", tags=tags)]
    asked = body(world, context=context)
    for answer in (owner_api.score(asked), owner_api.post("rank", asked)):
        fields = problem(answer, 422)["fields"]
        assert list(fields) == ["context[1].tags"]
        assert reason in fields["context[1].tags"]


# --- which model ----------------------------------------------------------------------------------------------------


def test_a_pinned_version_stays_while_another_goes_live(world: World, owner_api: Api) -> None:
    judge(world.judge, world.pairs[1], "a")
    asked = body(world, user=world.judge.ref)
    first = scores(owner_api.score(asked))
    make_version(world.project, responses_of(world.pairs), seed=5)
    live = owner_api.score(asked).json()
    assert live["model"] == "hybrid@2"
    assert [row["score"] for row in live["data"]] != pytest.approx(first, abs=1e-3)
    pinned = owner_api.score(body(world, user=world.judge.ref, model="hybrid@1")).json()
    assert pinned["model"] == "hybrid@1"
    assert [row["score"] for row in pinned["data"]] == first


def test_without_a_model_or_with_an_unknown_one(world: World, owner_api: Api) -> None:
    assert "“hybrid@9”" in problem(owner_api.score(body(world, model="hybrid@9")), 404)["detail"]
    ModelVersion.objects.update(state=ModelVersion.State.CANDIDATE)
    assert problem(owner_api.score(body(world)), 409)["code"] == "no_model"


def test_a_model_that_cannot_be_loaded(world: World, owner_api: Api) -> None:
    other = make_version(world.project, responses_of(world.pairs), seed=11)
    ModelVersion.objects.filter(pk=other.id).update(encoder="minilm")
    answer = problem(owner_api.score(body(world)), 503)
    assert answer["code"] == "model_unusable"
    assert "'style'" in answer["detail"]
    assert "'minilm'" in answer["detail"]


# --- which texts ----------------------------------------------------------------------------------------------------


def test_messages_and_texts_are_the_same(world: World, owner_api: Api) -> None:
    pair = world.pairs[0]
    as_messages = body(
        world,
        prompt=[{"role": "user", "content": pair.prompt.text}],
        completions=[[{"role": "assistant", "content": r.text}] for r in (pair.response_a, pair.response_b)],
    )
    assert scores(owner_api.score(as_messages)) == scores(owner_api.score(body(world)))


def test_new_texts_are_encoded_once(world: World, owner_api: Api, scorer: str) -> None:
    new = "A text that nobody has judged, with a number: 42."
    asked = body(world, completions=[world.pairs[0].response_a.text, new, new])
    answer = owner_api.score(asked).json()
    assert [row["cached"] for row in answer["data"]] == [True, False, False]
    assert answer["usage"] == {"completions": 3, "encoded": 2}
    model = load_model(world.version)
    vector = get_encoder("style").encode([(world.pairs[0].prompt.text, new)])[0]
    expected = model.score(model.prior(), model.items(["new"], {"new": vector})).mean[0]
    assert answer["data"][1]["score"] == answer["data"][2]["score"] == pytest.approx(float(expected), abs=1e-5)
    assert TextVector.objects.count() == 1
    again = owner_api.score(asked).json()
    assert [row["cached"] for row in again["data"]] == [True, True, True]
    assert scores(owner_api.score(asked)) == [row["score"] for row in answer["data"]]


def test_without_a_scorer_known_texts_work_and_new_ones_are_refused(
    world: World, owner_api: Api, settings: Settings
) -> None:
    settings.SCORER_URL = ""
    answer = owner_api.score(body(world, completions=["new"]))
    assert problem(answer, 503)["code"] == "scorer_away"
    assert "SCORER_URL" in answer.json()["detail"]
    settings.SCORER_URL = "http://127.0.0.1:9"
    away = owner_api.score(body(world, completions=["new"]))
    assert "does not answer" in problem(away, 503)["detail"]
    assert away["Retry-After"] == "5"
    assert len(scores(owner_api.score(body(world)))) == 2
    assert not TextVector.objects.exists()


def test_of_equal_texts_the_one_that_the_model_knows_counts(world: World, owner_api: Api) -> None:
    before = scores(owner_api.score(body(world)))
    make_response(world.pairs[0].prompt, world.pairs[0].response_a.text)  # known to the project, not to the model
    assert scores(owner_api.score(body(world))) == before


def test_the_texts_of_another_project_are_not_known(world: World, owner_api: Api, settings: Settings) -> None:
    settings.SCORER_URL = ""
    make_version(world.people.elsewhere, responses_of(world.pairs), seed=2)
    stranger = Api(world.people.stranger)
    assert problem(stranger.score(body(world, project=world.people.elsewhere.slug)), 503)["code"] == "scorer_away"


def test_1024_completions(world: World, owner_api: Api, scorer: str) -> None:
    answer = owner_api.score(body(world, completions=["word " * (n % 40) + f"end {n}." for n in range(1024)]))
    assert len(set(scores(answer))) >= 40
    assert [row["index"] for row in answer.json()["data"]] == list(range(1024))


# --- on which scale -------------------------------------------------------------------------------------------------


def test_sigmoid_and_percentile(world: World, owner_api: Api) -> None:
    raw, std = direct(world, [])
    squashed = owner_api.score(body(world, normalize="sigmoid")).json()["data"]
    expected = [1 / (1 + np.exp(-each)) for each in raw]
    assert [row["score"] for row in squashed] == pytest.approx(expected, abs=1e-5)
    slopes = [p * (1 - p) * s for p, s in zip(expected, std, strict=True)]
    assert [row["std"] for row in squashed] == pytest.approx(slopes, abs=1e-5)

    ranked = owner_api.score(body(world, normalize="percentile")).json()["data"]
    model = load_model(world.version)
    items = np.stack([item_of(world.version, each) for each in responses_of(world.pairs)])
    everything = model.score(model.prior(), items).mean
    assert [row["score"] for row in ranked] == pytest.approx(
        [((everything < each).sum() + 0.5) / len(everything) for each in raw], abs=1e-6
    )
    assert all(0 <= row["score"] <= 1 and row["std"] >= 0 for row in ranked)


@pytest.mark.parametrize("aggregate", ["wco", "uwo"])
def test_other_aggregates_need_an_ensemble(world: World, owner_api: Api, aggregate: str) -> None:
    answer = problem(owner_api.score(body(world, aggregate=aggregate)), 422)
    assert "needs an ensemble" in answer["fields"]["aggregate"]


# --- who may ask ----------------------------------------------------------------------------------------------------


def test_the_three_people(world: World) -> None:
    other = make_annotator(world.project)
    judge_api, stranger = Api(world.people.annotator), Api(world.people.stranger)
    viewer = Api(make_member(world.project, role=Role.VIEWER))
    assert len(scores(viewer.score(body(world, user=other.ref)))) == 2
    assert len(scores(judge_api.score(body(world)))) == 2
    assert len(scores(judge_api.score(body(world, user=world.judge.ref)))) == 2
    assert problem(judge_api.score(body(world, user=other.ref)), 403)["code"] == "forbidden"
    assert problem(judge_api.score(body(world, user="nobody")), 403)["code"] == "forbidden"
    assert problem(stranger.score(body(world)), 404)["code"] == "not_found"


def test_scope_project_and_token(world: World) -> None:
    assert problem(Api(world.people.owner, ("read", "write")).score(body(world)), 403)["code"] == "forbidden"
    elsewhere = Api(world.people.owner, project=world.people.elsewhere)
    assert problem(elsewhere.score(body(world)), 404)["code"] == "not_found"
    assert problem(Api(world.people.owner).score(body(world), Authorization="Bearer wrong"), 401)["status"] == 401


def test_an_unknown_user_is_not_found(world: World, owner_api: Api) -> None:
    answer = problem(owner_api.score(body(world, user="who")), 404)
    assert answer["detail"] == "There is no annotator “who” in this project."


# --- wrong requests -------------------------------------------------------------------------------------------------

LONG = "x" * (MAX_TEXT + 1)
MESSAGE = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"completion": ["x"]}, "completion", "is unknown; known are project, model"),
        ({"project": 3}, "project", "1 to 200 characters"),
        ({"project": ""}, "project", "1 to 200 characters"),
        ({"model": ["hybrid@1"]}, "model", "1 to 200 characters"),
        ({"user": 7}, "user", "1 to 200 characters"),
        ({"user": "a\0b"}, "user", "NUL"),
        ({"user": "\ud800"}, "user", "surrogate"),
        ({"prompt": ""}, "prompt", "is empty"),
        ({"prompt": " \n"}, "prompt", "is empty"),
        ({"prompt": None}, "prompt", "is null; expected a text"),
        ({"prompt": LONG}, "prompt", "200,001 characters"),
        ({"prompt": "a\0"}, "prompt", "NUL"),
        ({"prompt": "\udfff"}, "prompt", "surrogate"),
        ({"prompt": []}, "prompt", "0 messages"),
        ({"prompt": [MESSAGE | {"name": "x"}]}, "prompt", 'message 0 must be {"role", "content"}'),
        ({"prompt": [MESSAGE, {"role": "tool", "content": "x"}]}, "prompt", "message 1 has the role 'tool'"),
        ({"prompt": [{"role": "user", "content": ["x"]}]}, "prompt", "content that is of the type list"),
        ({"completions": "text"}, "completions", "list of 1 to 1024"),
        ({"completions": []}, "completions", "list of 1 to 1024"),
        ({"completions": ["x"] * 1025}, "completions", "list of 1 to 1024"),
        ({"completions": ["x", 4]}, "completions[1]", "of the type int"),
        ({"completions": ["x", ""]}, "completions[1]", "is empty"),
        ({"completions": [LONG]}, "completions[0]", "200,001 characters"),
        ({"completions": [[MESSAGE]]}, "completions[0]", "expected assistant"),
        ({"completions": [[{"role": "assistant", "content": "x"}] * 2]}, "completions[0]", "2 messages"),
        ({"normalize": "softmax"}, "normalize", "'softmax'; expected none or sigmoid or percentile"),
        ({"normalize": None}, "normalize", "expected none"),
        ({"aggregate": "max"}, "aggregate", "'max'; expected mean or wco or uwo"),
        ({"context": "x"}, "context", "at most 256"),
        ({"context": [3]}, "context[0]", "must be an object"),
        ({"context": [{"response_b": "y", "choice": "a"}]}, "context[0].response_a", "is missing"),
        ({"context": [{"response_a": "x", "response_b": "y"}]}, "context[0].choice", "is missing"),
        ({"context": [{"response_a": "x", "response_b": "x", "choice": "a"}]}, "context[0].response_b", "same text"),
        ({"context": [{"response_a": "x", "response_b": "y", "choice": "c"}]}, "context[0].choice", "'c'"),
        (
            {"context": [{"response_a": "x", "response_b": "y", "choice": "tie", "strength": 2}]},
            "context[0].strength",
            "only goes with",
        ),
        (
            {"context": [{"response_a": "x", "response_b": "y", "choice": "a", "strength": True}]},
            "context[0].strength",
            "1, 2, 3 or null",
        ),
        (
            {"context": [{"response_a": "x", "response_b": "y", "choice": "a", "swapped": 1}]},
            "context[0].swapped",
            "true or false",
        ),
        (
            {"context": [{"response_a": "x", "response_b": "y", "choice": "a", "who": 1}]},
            "context[0].who",
            "is unknown",
        ),
        *(
            ({"context": [{"response_a": "x", "response_b": "y", "choice": "a"} | wrong]}, f"context[0].{name}", reason)
            for wrong, name, reason in [
                ({"rationale": None}, "rationale", "is null; expected a text"),
                ({"rationale": "x" * (MAX_RATIONALE + 1)}, "rationale", "10,001 characters; expected at most 10,000"),
                ({"rationale": "a\0"}, "rationale", "NUL"),
                ({"rationale": "\ud800"}, "rationale", "surrogate"),
                ({"tags": "clear"}, "tags", "list of at most 64 tags"),
                ({"tags": [TAGS[0]] * 65}, "tags", "list of at most 64 tags"),
                ({"tags": ["clear"]}, "tags[0]", "must be an object"),
                ({"tags": [TAGS[0], {"tag": "clear", "side": "a"}]}, "tags[1].good", "is missing"),
                ({"tags": [TAGS[0] | {"side": "left"}]}, "tags[0].side", "'left'; expected a or b"),
                ({"tags": [TAGS[0] | {"good": 1}]}, "tags[0].good", "true or false"),
                ({"tags": [TAGS[0] | {"tag": ""}]}, "tags[0].tag", "1 to 200 characters"),
                ({"tags": [TAGS[0] | {"word": "x"}]}, "tags[0].word", "is unknown; known are tag, side, good"),
            ]
        ),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str, reason: str) -> None:
    asked = {"project": "everyday", "prompt": "How?", "completions": ["Like this."]}
    with pytest.raises(Invalid) as wrong:
        parse_score_request(asked | fields)
    assert list(wrong.value.fields) == [field]
    assert reason in wrong.value.fields[field]
    assert field in str(wrong.value)


def test_wrong_fields_are_answered_with_their_names(world: World, owner_api: Api) -> None:
    answer = problem(owner_api.score(body(world, prompt="\ud800", completions=["x", ""], who="x")), 422)
    assert answer["fields"].keys() == {"prompt", "completions[1]", "who"}
    assert answer["code"] == "invalid"


def test_missing_fields_are_named_together(owner_api: Api) -> None:
    answer = problem(owner_api.score({}), 422)
    assert answer["fields"] == dict.fromkeys(("project", "prompt", "completions"), "is missing")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"prompt": "a", "prompt": "b"}', 400),
        (b'{"prompt": NaN}', 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"prompt": "' + b"x" * 6_000_000 + b'"}', 413),
    ],
)
def test_a_body_that_is_no_request(owner_api: Api, sent: bytes, status: int) -> None:
    assert problem(owner_api.score(sent), status)["status"] == status


# --- how much work --------------------------------------------------------------------------------------------------


def test_five_queries_for_64_known_responses(world: World, owner_api: Api) -> None:
    judge(world.judge, world.pairs[1], "a")
    texts = [make_response(world.pairs[0].prompt, f"Response {n}") for n in range(64)]
    make_version(world.project, [*responses_of(world.pairs), *texts], seed=3)
    asked = body(world, user=world.judge.ref, completions=[each.text for each in texts])
    owner_api.score(asked)
    with CaptureQueriesContext(connection) as queries:
        answer = owner_api.score(asked)
    assert len(scores(answer)) == 64
    assert len(queries) == 5
