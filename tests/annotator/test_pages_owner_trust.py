"""What owners do with single pairs: known answers, pins, the last word."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from annotator.errors import Conflict, Invalid
from annotator.models import Adjudication, Assignment, AuditEntry, Judgment, Pair, Project, User
from annotator.services.adjudicating import adjudicate, ask_another
from annotator.services.dealing import deal
from tests.factories import ThreePeople, make_annotator, make_pair, make_project


@pytest.fixture
def pair(people: ThreePeople) -> Pair:
    return Pair.objects.filter(project=people.project).earliest("pk")


def said(pair: Pair, choices: str) -> None:
    for choice in choices:
        Judgment.objects.create(
            project=pair.project,
            annotator=make_annotator(pair.project),
            pair=pair,
            choice={"t": "tie"}.get(choice, choice),
            client_key=uuid4(),
        )


def address(name: str, pair: Pair, *more: int) -> str:
    return reverse(name, args=[pair.project.slug, pair.pk, *more])


# --- known answers --------------------------------------------------------------------------------------------------


def test_an_owner_writes_a_known_answer(owner_client: Client, pair: Pair) -> None:
    assert owner_client.post(address("pair_gold", pair), {"choice": "b", "qualifying": "on"}).status_code == 302
    pair.refresh_from_db()
    assert (pair.gold_choice, pair.qualifying) == ("b", True)
    page = owner_client.get(address("pair", pair)).content.decode()
    assert "qualification" in page and 'value="b" checked' in page
    listed = owner_client.get(reverse("pairs", args=[pair.project.slug]), {"only": "gold"}).content.decode()
    assert pair.prompt.text in listed and "1 pair" in listed
    owner_client.post(address("pair_gold", pair), {"choice": ""})
    pair.refresh_from_db()
    assert (pair.gold_choice, pair.qualifying) == ("", False)
    assert owner_client.post(address("pair_gold", pair), {"choice": "left"}).status_code == 422


# --- pins -----------------------------------------------------------------------------------------------------------


def test_an_owner_pins_a_pair_and_takes_it_back(owner_client: Client, pair: Pair, people: ThreePeople) -> None:
    other = make_annotator(people.project, ref="p-77", name="Otto")
    response = owner_client.post(address("pair_pin", pair), {"people": f"p-77, {people.judge.ref}"}, follow=True)
    page = response.content.decode()
    assert "2 people get this pair next" in page and "Otto" in page
    held = Assignment.objects.get(annotator=other)
    assert (held.state, held.chosen_by) == ("pinned", "pinned")
    page = owner_client.post(address("pair_unpin", pair, held.pk), follow=True).content.decode()
    assert "Taken back" in page
    deal(annotator=people.judge)
    opened = Assignment.objects.get(annotator=people.judge)
    assert (
        "opened it already" in owner_client.post(address("pair_unpin", pair, opened.pk), follow=True).content.decode()
    )
    again = owner_client.post(address("pair_pin", pair), {"people": "Anna"}, follow=True).content.decode()
    assert "Had it already" in again


@pytest.mark.parametrize("people_field", ["nobody-here", "", " , "])
def test_pins_need_people_of_the_project(owner_client: Client, pair: Pair, people_field: str) -> None:
    make_annotator(make_project(), ref="nobody-here")
    assert owner_client.post(address("pair_pin", pair), {"people": people_field}).status_code == 422
    assert not Assignment.objects.exists()


# --- the last word --------------------------------------------------------------------------------------------------


def test_a_list_of_contested_pairs_says_that_there_are_simulated_votes(
    people: ThreePeople, owner_client: Client
) -> None:
    address = reverse("contested", args=[people.project.slug])
    assert "has simulated annotators" not in owner_client.get(address).content.decode()
    Project.objects.filter(pk=people.project.pk).update(simulated=True)
    assert "has simulated annotators" in owner_client.get(address).content.decode()


def test_contested_pairs_are_listed_until_they_are_decided(
    owner_client: Client, pair: Pair, people: ThreePeople
) -> None:
    said(pair, "aab")
    agreed, mixed = make_pair(people.project), make_pair(people.project)
    said(agreed, "aaaat")
    said(mixed, "aaab")  # one in four is no contest
    address_of_list = reverse("contested", args=[people.project.slug])
    page = owner_client.get(address_of_list).content.decode()
    assert "1 pair to decide" in page and pair.prompt.text in page
    response = owner_client.post(
        address("pair_decide", pair), {"choice": "b", "note": "The source says so."}, follow=True
    )
    assert "The source says so." in response.content.decode()
    assert "No pair is contested" in owner_client.get(address_of_list).content.decode()
    assert pair.prompt.text in owner_client.get(address_of_list, {"show": "decided"}).content.decode()
    assert sorted(Judgment.objects.filter(pair=pair).values_list("choice", flat=True)) == ["a", "a", "b"]
    part = owner_client.get(address_of_list, headers={"HX-Request": "true", "HX-Target": "contested"})
    assert part.content.decode().strip().startswith('<section class="panel" id="contested">')


def test_decisions_are_revisions(owner_client: Client, pair: Pair, people: ThreePeople) -> None:
    for data in ({"choice": "a"}, {"choice": "tie", "note": "On reflection."}, {"act": "back", "choice": "tie"}):
        owner_client.post(address("pair_decide", pair), data)
    rows = list(Adjudication.objects.order_by("pk").values_list("revision", "choice", "current", "by"))
    owner = people.owner.pk
    assert rows == [(1, "a", False, owner), (2, "tie", False, owner), (3, "", True, owner)]
    page = owner_client.post(address("pair_decide", pair), {"act": "back"}, follow=True).content.decode()
    assert "no decision to take back" in page
    assert "On reflection." in page
    assert [entry.what for entry in AuditEntry.objects.order_by("pk")] == ["pair decided"] * 2 + ["decision taken back"]


def test_decisions_are_never_rewritten(pair: Pair, people: ThreePeople) -> None:
    adjudicate(pair=pair, choice="a", by=people.owner)
    changes = (
        lambda: Adjudication.objects.update(choice="b"),
        lambda: Adjudication.objects.update(note="no"),
        lambda: Adjudication.objects.all().delete(),
    )
    for change in changes:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()
    Adjudication.objects.update(current=False)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Adjudication.objects.update(current=True)
    with pytest.raises(Invalid, match="none of"):
        adjudicate(pair=pair, choice="left", by=people.owner)


def test_one_more_person_is_asked(owner_client: Client, people: ThreePeople, pair: Pair) -> None:
    Pair.objects.exclude(pk=pair.pk).delete()
    Pair.objects.update(cap=1)
    assert deal(annotator=people.judge)
    other = make_annotator(people.project)
    assert deal(annotator=other) is None
    assert "will be asked" in owner_client.post(address("pair_ask", pair), follow=True).content.decode()
    assert "asked already" in owner_client.post(address("pair_ask", pair), follow=True).content.decode()
    dealt = deal(annotator=other)
    assert dealt and dealt.pair_id == pair.pk


@pytest.mark.parametrize(("target", "cap", "expected"), [(1, 3, (2, 3)), (2, 2, (2, 2)), (None, 1, (None, 2))])
def test_targets_and_caps_of_a_third_opinion(
    people: ThreePeople, target: int | None, cap: int, expected: tuple[int | None, int]
) -> None:
    project = make_project()
    pair = make_pair(project, target=target, cap=cap)
    deal(annotator=make_annotator(project))
    if target == 2:
        with pytest.raises(Conflict):
            ask_another(of=pair, by=people.owner)
        deal(annotator=make_annotator(project))
        expected = (None, 3)
    ask_another(of=pair, by=people.owner)
    pair.refresh_from_db()
    assert (pair.target, pair.cap) == expected


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pair_gold", "pair_pin", "pair_decide", "pair_ask"])
def test_owners_alone_may(name: str, pair: Pair, annotator_client: Client, stranger_client: Client) -> None:
    data = {"choice": "a", "people": "Anna"}
    assert annotator_client.post(address(name, pair), data).status_code == 403
    assert stranger_client.post(address(name, pair), data).status_code == 404
    assert annotator_client.get(address(name, pair)).status_code == 405
    pair.refresh_from_db()
    assert pair.gold_choice == ""
    assert not Assignment.objects.exists() and not Adjudication.objects.exists()


def test_a_pair_of_another_project_is_not_there(owner_client: Client, people: ThreePeople) -> None:
    elsewhere = make_pair(people.elsewhere)
    for name in ("pair_gold", "pair_pin", "pair_decide", "pair_ask"):
        response = owner_client.post(reverse(name, args=[people.project.slug, elsewhere.pk]), {"choice": "a"})
        assert response.status_code == 404


def test_a_deleted_login_leaves_its_decisions(pair: Pair, people: ThreePeople) -> None:
    expert = User.objects.create_user("expert@example.org", "a long enough secret")
    adjudicate(pair=pair, choice="a", by=expert)
    expert.delete()
    assert Adjudication.objects.get().by is None
