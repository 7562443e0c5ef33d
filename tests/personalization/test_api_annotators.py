"""The summaries of annotators over the API."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotator.models import Role
from personalization.latents import latent_for
from tests.factories import make_annotator, make_member
from tests.personalization.conftest import Api, World
from tests.personalization.worlds import judge, take_back
from training.models import ModelVersion
from training.serving import load_model

pytestmark = pytest.mark.django_db


def test_the_summary_of_a_latent(world: World, owner_api: Api) -> None:
    judge(world.judge, world.pairs[0], "a")
    answer = owner_api.get(f"projects/{world.project.slug}/annotators/{world.judge.ref}").json()
    latent = latent_for(annotator_id=world.judge.pk, served=world.version)
    expected = load_model(world.version).traits(latent)  # type: ignore[attr-defined]
    traits = answer.pop("traits")
    assert [each["trait"] for each in traits] == [each[0] for each in expected]
    for found, (_, estimate, low, high) in zip(traits, expected, strict=True):
        assert [found["estimate"], found["low"], found["high"]] == pytest.approx([estimate, low, high], abs=1e-4)
        assert found["low"] < found["estimate"] < found["high"]
    assert answer.pop("updated_at") is not None
    assert answer == {
        "ref": world.judge.ref,
        "name": "Anna",
        "simulated": False,
        "model": "hybrid@1",
        "n_judgments": 1,
        "fallback": False,
    }


def test_without_judgments_and_without_a_model(world: World, owner_api: Api) -> None:
    make_annotator(world.project, ref="sim/1", simulated=True)
    answer = owner_api.get(f"projects/{world.project.slug}/annotators/sim/1").json()
    assert (answer["simulated"], answer["fallback"], answer["n_judgments"]) == (True, True, 0)
    assert (answer["model"], answer["updated_at"]) == ("hybrid@1", None)
    ModelVersion.objects.update(state=ModelVersion.State.CANDIDATE)
    answer = owner_api.get(f"projects/{world.project.slug}/annotators/sim/1").json()
    assert (answer["model"], answer["fallback"], answer["traits"]) == (None, True, [])


def test_the_list_is_paged(world: World, owner_api: Api) -> None:
    for number in range(4):
        make_annotator(world.project, ref=f"x{number}")
    judge(world.judge, world.pairs[0], "a")
    judge(world.judge, world.pairs[1], "skip")
    take_back(judge(world.judge, world.pairs[2], "b"))
    first = owner_api.get(f"projects/{world.project.slug}/annotators?limit=3").json()
    assert first["results"][0] == {"ref": world.judge.ref, "name": "Anna", "simulated": False, "judgments": 1}
    assert first["previous"] is None
    second = owner_api.client.get(first["next"]).json()
    assert [row["ref"] for row in first["results"] + second["results"]] == [world.judge.ref, "x0", "x1", "x2", "x3"]
    assert second["next"] is None


def test_the_three_people(world: World, owner_api: Api) -> None:
    other = make_annotator(world.project)
    where = f"projects/{world.project.slug}/annotators"
    viewer = Api(make_member(world.project, role=Role.VIEWER))
    judge_api, stranger = Api(world.people.annotator), Api(world.people.stranger)
    for api, listed, own, others in (
        (owner_api, 200, 200, 200),
        (viewer, 200, 200, 200),
        (judge_api, 403, 200, 404),
        (stranger, 404, 404, 404),
    ):
        assert api.get(where).status_code == listed
        assert api.get(f"{where}/{world.judge.ref}").status_code == own
        assert api.get(f"{where}/{other.ref}").status_code == others
    assert owner_api.get(f"{where}/who").status_code == 404
    assert owner_api.get(f"{where}/w%00ho").status_code == 404
    assert Api(world.people.owner, ("score",)).get(where).status_code == 403


def test_query_counts(world: World, owner_api: Api) -> None:
    judge(world.judge, world.pairs[0], "a")
    where = f"projects/{world.project.slug}/annotators"
    owner_api.get(f"{where}/{world.judge.ref}")
    with CaptureQueriesContext(connection) as one:
        owner_api.get(f"{where}/{world.judge.ref}")
    assert len(one) == 5
    with CaptureQueriesContext(connection) as listed:
        owner_api.get(where)
    assert len(listed) == 3
