"""One's own judgments: found, edited, withdrawn and brought back, as revisions; nobody else's."""

from __future__ import annotations

import json
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Judgment, Lineup
from annotator.selectors.history import steadiness, steadiness_of_lineups
from annotator.services.answers import Answer, FlagRaised, Tag
from annotator.services.dealing import deal
from annotator.services.judging import record
from annotator.services.marks import Mark
from tests.factories import ThreePeople, make_lineup, make_people, make_project

pytestmark = pytest.mark.django_db


def judge(people: ThreePeople, answer: Answer) -> Judgment:
    dealt = deal(annotator=people.judge)
    assert dealt
    return record(annotator=people.judge, assignment_key=dealt.key, client_key=uuid.uuid4(), answer=answer).judgment


def address(people: ThreePeople, *pk: int) -> str:
    return reverse("history_revise" if pk else "history", args=[people.project.slug, *pk])


def test_everything_that_was_said_is_in_the_list(people: ThreePeople, annotator_client: Client) -> None:
    flag = FlagRaised("personal", "left", "a phone number")
    judge(people, Answer(choice="left", strength=3, tags=(Tag("clear", "left", True),), text="Kind words", flag=flag))
    judge(people, Answer(choice="both_good"))
    judge(people, Answer(choice="skip", skip_reason="language"))
    html = annotator_client.get(address(people)).content.decode()
    for words in ("A much better", "A + Clear", "Kind words", "Both good", "I don’t read this language well"):
        assert words in html
    assert "Personal data · Response" in html
    assert html.index("Skipped") < html.index("A much better")


@pytest.mark.parametrize(
    ("query", "found"),
    [("q=kind", 1), ("q=EGGS", 3), ("q=nothing", 0), ("choice=both_good", 1), ("choice=flagged", 1), ("choice=skip", 1),
     ("choice=withdrawn", 0), ("q=%00&choice=bogus", 3)],
)  # fmt: skip
def test_finding(people: ThreePeople, annotator_client: Client, query: str, found: int) -> None:
    judge(people, Answer(choice="left", text="Kind words", flag=FlagRaised("unsafe")))
    judge(people, Answer(choice="both_good"))
    judge(people, Answer(choice="skip"))
    html = annotator_client.get(f"{address(people)}?{query}").content.decode()
    assert html.count("<time") == found


def test_editing_makes_a_revision_with_everything_prefilled(people: ThreePeople, annotator_client: Client) -> None:
    before = judge(people, Answer(choice="left", strength=2, tags=(Tag("clear", "right", False),), text="First"))
    html = annotator_client.get(address(people, before.pk)).content.decode()
    assert 'name="position" value="2" checked' in html
    assert 'name="b_bad" value="clear" checked' in html
    assert "First</textarea>" in html
    reply = annotator_client.post(
        address(people, before.pk), {"client_key": str(uuid.uuid4()), "position": "7", "rationale": "Second"}
    )
    assert reply.status_code == 302
    now = Judgment.objects.get(current=True)
    assert (now.revision, now.strength, now.rationale.text) == (2, 3, "Second")
    assert now.choice != before.choice
    assert now.assignment_id == before.assignment_id


def test_a_wrong_edit_is_shown_again(people: ThreePeople, annotator_client: Client) -> None:
    before = judge(people, Answer(choice="left", strength=2))
    form = {"client_key": str(uuid.uuid4()), "rationale": "I typed this"}
    reply = annotator_client.post(address(people, before.pk), form)
    assert reply.status_code == 422
    assert "Choose one of the seven steps" in reply.content.decode()
    assert "I typed this</textarea>" in reply.content.decode()
    assert annotator_client.post(address(people, before.pk), {"position": "1"}).status_code == 422


def test_withdrawing_and_bringing_back(people: ThreePeople, annotator_client: Client) -> None:
    said = judge(people, Answer(choice="right", strength=1, text="Was good"))
    withdraw = reverse("history_withdraw", args=[people.project.slug, said.pk])
    assert annotator_client.post(withdraw, {"client_key": str(uuid.uuid4())}).status_code == 302
    now = Judgment.objects.get(current=True)
    assert now.withdrawn
    html = annotator_client.get(address(people, now.pk)).content.decode()
    assert "Saving brings it back" in html
    assert "Was good</textarea>" in html
    annotator_client.post(address(people, now.pk), {"client_key": str(uuid.uuid4()), "position": "5"})
    assert not Judgment.objects.get(current=True).withdrawn


def test_nobody_elses(people: ThreePeople, owner_client: Client, stranger_client: Client) -> None:
    said = judge(people, Answer(choice="tie"))
    assert "1 judgment" not in owner_client.get(address(people)).content.decode()
    assert owner_client.get(address(people, said.pk)).status_code == 404
    assert stranger_client.get(address(people)).status_code == 404
    withdraw = reverse("history_withdraw", args=[people.project.slug, said.pk])
    assert owner_client.post(withdraw, {"client_key": str(uuid.uuid4())}).status_code == 404
    assert Judgment.objects.get().withdrawn is False


def test_how_steady_one_is_is_said_once_there_is_enough(db: None) -> None:
    people = make_people(make_project(pairs=30))
    for n in range(6):
        first = judge(people, Answer(choice="tie"))
        assert steadiness(people.judge) is None or n >= 5
        Judgment.objects.create(
            **{name: getattr(first, name) for name in ("project_id", "annotator_id", "pair_id", "swapped")},
            occasion=1,
            choice="a" if n == 0 else "tie",
            client_key=uuid.uuid4(),
        )
    found = steadiness(people.judge)
    assert found
    assert (found.same, found.twice) == (5, 6)


def said_of(people: ThreePeople, lineup: Lineup, occasion: int, **fields: object) -> None:
    Judgment.objects.create(
        project=people.project,
        annotator=people.judge,
        lineup=lineup,
        kind=lineup.kind,
        occasion=occasion,
        client_key=uuid.uuid4(),
        shown=[*range(1, len(lineup.responses) + 1)],
        **fields,
    )


def test_how_steady_rankings_and_ratings_are(people: ThreePeople, annotator_client: Client) -> None:
    for n in range(5):
        assert steadiness_of_lineups(people.judge) == (None, None)
        ranking, rating = make_lineup(people.project, 3), make_lineup(people.project, 1)
        for occasion in (0, 1):
            order = [[2], [1], [3]] if n == 0 and occasion else [[1], [2], [3]]
            said_of(people, ranking, occasion, choice="ranked", ranking=order)
            said_of(people, rating, occasion, choice="rated", rating=3 + (n if occasion else 0), scale="1-7")
    orders, ratings = steadiness_of_lineups(people.judge)
    assert orders
    assert (round(15 * orders.alike), orders.twice) == (14, 5)  # one of three couples, once
    assert ratings
    assert (ratings.same, ratings.near, ratings.twice) == (1, 1, 5)
    html = annotator_client.get(address(people)).content.decode()
    assert "93 % of the responses’ places" in html
    assert "1 got the same rating and 1 one a step away" in html


def test_marks_are_quoted_in_the_list(people: ThreePeople, annotator_client: Client) -> None:
    marks = tuple(Mark("left", n, 4, "Answ"[n:], n % 2 == 0, "clear", "") for n in range(4))
    judge(people, Answer(choice="tie", marks=marks))
    html = annotator_client.get(address(people)).content.decode()
    assert '<b>+ A</b> <q dir="auto">Answ</q> <span dir="auto">Clear</span>' in html
    assert '<b>− A</b> <q dir="auto">nsw</q>' in html
    assert '<q dir="auto">w</q>' not in html, "three are quoted"
    assert "1 more mark" in html


def test_a_mark_survives_an_edit(people: ThreePeople, annotator_client: Client) -> None:
    mark = {"side": "a", "start": 0, "end": 6, "good": True, "tag": "clear", "comment": "", "seen": "Answer"}
    said = judge(people, Answer(choice="tie"))
    key = {"client_key": str(uuid.uuid4()), "position": "4", "mark": json.dumps(mark)}
    assert annotator_client.post(address(people, said.pk), key).status_code == 302
    now = Judgment.objects.get(current=True)
    html = annotator_client.get(address(people, now.pk)).content.decode()
    assert "&quot;seen&quot;: &quot;Answer&quot;" in html
