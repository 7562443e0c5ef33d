"""The profile: what it says of a person, to whom, and how they take things back."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotator.models import Judgment, Response, Role
from annotator.services.answers import Answer, Tag
from annotator.services.dealing import deal
from annotator.services.judging import record
from personalization.charts import SharePoint, share_chart, whisk, wilson
from personalization.latents import latent_for
from personalization.profile import guess_record, profile_of
from personalization.traits import Trait
from tests.factories import login, make_annotator, make_member
from tests.personalization.conftest import World
from tests.personalization.worlds import item_of, judge, make_pairs, make_version
from training.models import ModelVersion
from training.serving import load_model

pytestmark = pytest.mark.django_db


def page_of(world: World, client: Client) -> str:
    answer = client.get(f"/projects/{world.project.slug}/me/")
    assert answer.status_code == 200
    return answer.content.decode()


def guessed(world: World, hits: list[bool]) -> None:
    """One judgment per new pair, guessed right or wrong before."""
    pairs = make_pairs(world.project, len(hits))
    make_version(world.project, list(Response.objects.filter(prompt__project=world.project)), seed=4)
    for pair, hit in zip(pairs, hits, strict=True):
        judge(world.judge, pair, "a", guess=0.8 if hit else 0.3)


# --- figures --------------------------------------------------------------------------------------------------------


def test_a_whisk_is_placed_on_its_rail() -> None:
    shown = whisk(0.5, 0.0, 3.0, -1.0, 1.0)
    assert (shown.at, shown.start, shown.width, shown.end) == (75.0, 50.0, 50.0, 100.0)


def test_wilsons_interval() -> None:
    low, high = wilson(8, 10, z=1.96)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Newcombe 1998, table I: 0.4901 to 0.9433
    assert 0 <= wilson(0, 3)[0] < wilson(0, 3)[1] < 1


def test_the_chart_spans_its_points() -> None:
    points = [SharePoint(10, 0.5, 0.4, 0.6, 0.5), SharePoint(30, 1.0, 0.9, 1.0, 0.5)]
    chart = share_chart(points)
    assert chart.own.startswith("M40.0 ")
    assert chart.own.endswith("L272.0 12.0")
    assert [tick.label for tick in chart.counts] == ["10", "30"]
    assert chart.ticks[-1].label == "100 %"
    assert chart.pooled_label - chart.own_label > 15


def test_a_trait_is_known_when_its_interval_leaves_out_everybodys_taste() -> None:
    dry = Trait("dry–warm", -0.7, -1.1, -0.2)
    assert (dry.known, dry.leaning, dry.strong, dry.poles) == (True, "dry", True, ("dry", "warm"))
    assert not Trait("dry–warm", 0.7, -0.1, 1.5).known


def test_the_record_compares_with_the_pooled_model(world: World) -> None:
    guessed(world, [True] * 9 + [False] * 3)
    judge(world.judge, world.pairs[0], "tie", guess=0.9)  # says nothing about who is better
    judge(world.judge, world.pairs[1], "a")  # was not guessed
    profile = profile_of(world.judge)
    record_ = profile.record
    assert record_ is not None
    assert (record_.of, record_.right) == (12, 0.75)
    model, version = load_model(profile.served), profile.served  # type: ignore[arg-type]
    pairs = [j.pair for j in world.judge.judgments.filter(guess__in=[0.8, 0.3]).order_by("pk")]
    pooled = [
        float(
            model.probability(
                model.prior(), item_of(version, p.response_a)[None], item_of(version, p.response_b)[None]
            )[0]
        )
        > 0.5
        for p in pairs
    ]
    assert record_.pooled == pytest.approx(sum(pooled) / 12)
    assert record_.points[-1].count == 12
    assert record_.points[-1].own == 0.75


def test_too_few_guesses_say_nothing(world: World) -> None:
    guessed(world, [True] * 9)
    served = profile_of(world.judge).served
    assert served is not None
    assert guess_record(world.judge.pk, served) is None


# --- pages ----------------------------------------------------------------------------------------------------------


def test_the_page_of_somebody_with_judgments(world: World, annotator_client: Client) -> None:
    guessed(world, [True] * 12)
    page = page_of(world, annotator_client)
    latent = latent_for(annotator_id=world.judge.pk, served=profile_of(world.judge).served)  # type: ignore[arg-type]
    assert latent.n == 12
    assert "From 12 judgments." in page
    assert "100 %</b> over the last 12 preferences" in page
    for trait in profile_of(world.judge).traits:
        assert trait.name in page
        assert f"{trait.estimate:+.2f}" in page
    assert "style=" not in page
    assert page.count("Withdraw<") == 12


def test_the_page_says_what_it_cannot_tell(world: World, annotator_client: Client) -> None:
    assert "expects what everybody likes" in page_of(world, annotator_client)
    ModelVersion.objects.update(state=ModelVersion.State.CANDIDATE)
    assert "There is no model in this project yet" in page_of(world, annotator_client)
    world.judge.delete()
    assert "Nothing is known about you here yet" in page_of(world, annotator_client)


def test_a_person_withdraws_and_restores_a_judgment_with_its_reason(world: World, annotator_client: Client) -> None:
    dealt = deal(annotator=world.judge)
    assert dealt is not None
    answer = Answer(choice="left", strength=2, tags=(Tag("clear", "left", True),), text="To the point.")
    import uuid

    said = record(annotator=world.judge, assignment_key=dealt.key, client_key=uuid.uuid4(), answer=answer).judgment
    before = latent_for(annotator_id=world.judge.pk, served=world.version)
    where = f"/projects/{world.project.slug}/me/judgments"
    assert annotator_client.post(f"{where}/{said.pk}/withdraw/").status_code == 302
    assert latent_for(annotator_id=world.judge.pk, served=world.version).n == 0
    page = page_of(world, annotator_client)
    assert "Withdrawn: it counts for nothing" in page
    withdrawn = Judgment.objects.get(current=True)
    assert annotator_client.post(f"{where}/{withdrawn.pk}/restore/").status_code == 302
    restored = Judgment.objects.get(current=True)
    assert (restored.choice, restored.strength, restored.withdrawn) == (said.choice, 2, False)
    assert (restored.rationale.text, len(restored.rationale.tags)) == ("To the point.", 1)
    after = latent_for(annotator_id=world.judge.pk, served=world.version)
    assert after.mean == pytest.approx(before.mean, abs=1e-5)
    assert "To the point." in page_of(world, annotator_client)


def test_nobody_withdraws_for_another(world: World, annotator_client: Client, owner_client: Client) -> None:
    theirs = judge(make_annotator(world.project), world.pairs[0], "a")
    for client in (annotator_client, owner_client):
        where = f"/projects/{world.project.slug}/me/judgments/{theirs.pk}/withdraw/"
        assert client.post(where).status_code == 404
        assert client.get(where).status_code == 405
    assert not Judgment.objects.get(pk=theirs.pk).withdrawn


def test_the_owners_view_has_no_buttons_and_labels_simulated_people(world: World, owner_client: Client) -> None:
    simulated = make_annotator(world.project, ref="sim 1", name="Sim One", simulated=True)
    judge(simulated, world.pairs[0], "a", swapped=True, strength=3)
    page = owner_client.get(f"/projects/{world.project.slug}/annotators/sim 1/").content.decode()
    assert "What Attune has learnt about Sim One" in page
    assert "A program, not a person." in page
    assert "B much better" in page  # the pair's a was on the right
    assert "Withdraw" not in page


def test_the_three_people(
    world: World, owner_client: Client, annotator_client: Client, stranger_client: Client
) -> None:
    viewer = login(make_member(world.project, role=Role.VIEWER))
    me = f"/projects/{world.project.slug}/me/"
    theirs = f"/projects/{world.project.slug}/annotators/{world.judge.ref}/"
    statuses = {
        name: [client.get(each).status_code for each in (me, theirs, f"{me}data.zip")]
        for name, client in (
            ("owner", owner_client),
            ("viewer", viewer),
            ("annotator", annotator_client),
            ("stranger", stranger_client),
            ("nobody", Client()),
        )
    }
    assert statuses == {
        "owner": [200, 200, 404],  # has not judged here
        "viewer": [403, 200, 403],
        "annotator": [200, 403, 200],
        "stranger": [404, 404, 404],
        "nobody": [302, 302, 302],
    }


def test_query_count_does_not_grow_with_judgments(world: World, annotator_client: Client) -> None:
    guessed(world, [True] * 12)
    page_of(world, annotator_client)
    with CaptureQueriesContext(connection) as few:
        page_of(world, annotator_client)
    guessed(world, [True] * 20)
    page_of(world, annotator_client)
    with CaptureQueriesContext(connection) as many:
        page_of(world, annotator_client)
    assert len(many) == len(few) <= 12


def test_only_the_first_page_is_of_the_newest(world: World, annotator_client: Client) -> None:
    for pair in make_pairs(world.project, 30):
        judge(world.judge, pair, "tie")
    assert "Page 1 of 2" in page_of(world, annotator_client)
    second = annotator_client.get(f"/projects/{world.project.slug}/me/?page=2").content.decode()
    assert second.count("About equal") == 5
