"""Drafts: kept with the lease, shown again, gone with the answer, kept where the pair was lost."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.models import Assignment, Draft, Judgment, Pair, Project, Response
from tests.annotator.test_page_judge import HTMX, address, get_form
from tests.factories import ThreePeople

pytestmark = pytest.mark.django_db
ENTERED = {"position": "6", "b_good": "warm", "rationale": "Half a tho", "flag_kind": "broken", "skip_note": "maybe"}


def keep(client: Client, people: ThreePeople, form: dict[str, str], **entered: str) -> str:
    reply = client.post(reverse("judge_draft", args=[people.project.slug]), form | (entered or ENTERED), headers=HTMX)
    assert reply.status_code == 200, reply.content
    return reply.content.decode()


def test_a_draft_is_there_after_a_reload(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people)
    version = keep(annotator_client, people, form)
    html = annotator_client.get(address(people)).content.decode()
    assert f'data-draft="{version.replace("+", "&#x2B;")}"' in html or f'data-draft="{version}"' in html
    assert "Half a tho</textarea>" in html
    for field in ('name="position" value="6" checked', 'name="b_good" value="warm" checked', 'value="broken" checked'):
        assert field in html
    assert keep(annotator_client, people, form) != version


def test_it_is_gone_with_the_answer_and_does_not_come_back_late(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people)
    keep(annotator_client, people, form)
    annotator_client.post(address(people), form | {"position": "2"})
    assert not Draft.objects.exists()
    assert keep(annotator_client, people, form) == ""
    assert not Draft.objects.exists()


def test_what_was_said_comes_back_after_an_undo_and_a_draft_after_it_wins(
    people: ThreePeople, annotator_client: Client
) -> None:
    form = get_form(annotator_client, people)
    annotator_client.post(address(people), form | {"position": "2", "rationale": "Said"})
    undo = reverse("judge_undo", args=[people.project.slug])
    html = annotator_client.post(undo, {"client_key": str(uuid.uuid4())}, headers=HTMX).content.decode()
    assert "Said</textarea>" in html
    keep(annotator_client, people, form, rationale="Changed")
    assert "Changed</textarea>" in annotator_client.get(address(people)).content.decode()


def test_others_drafts_do_not_exist(people: ThreePeople, annotator_client: Client, owner_client: Client) -> None:
    form = get_form(owner_client, people)
    reply = annotator_client.post(reverse("judge_draft", args=[people.project.slug]), form | ENTERED, headers=HTMX)
    assert reply.status_code == 404
    assert not Draft.objects.exists()


def test_text_that_cannot_be_kept_is_named(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people) | {"rationale": "a\x00b"}
    reply = annotator_client.post(reverse("judge_draft", args=[people.project.slug]), form, headers=HTMX)
    assert reply.status_code == 422
    assert "NUL" in reply.content.decode()


def test_a_draft_keeps_the_lease_going(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people)
    soon = timezone.now() + timezone.timedelta(minutes=1)
    Assignment.objects.filter(key=form["assignment"]).update(lease_until=soon)
    keep(annotator_client, people, form)
    assert Assignment.objects.get(key=form["assignment"]).lease_until > soon


def test_a_pair_withdrawn_while_open_says_so_and_keeps_what_was_entered(
    people: ThreePeople, annotator_client: Client
) -> None:
    form = get_form(annotator_client, people)
    Pair.objects.filter(assignments__key=form["assignment"]).update(withdrawn_at=timezone.now())
    reply = annotator_client.post(address(people), form | {"position": "2", "rationale": "Kept words"}, headers=HTMX)
    assert "The owner withdrew this pair" in reply.content.decode()
    assert not Judgment.objects.exists()
    history = annotator_client.get(reverse("history", args=[people.project.slug])).content.decode()
    assert "Entered, not counted" in history
    assert "“Kept words”" in history


def entered_again(people: ThreePeople, client: Client) -> Judgment:
    """An answer that was taken back, with another one begun in its place."""
    form = get_form(client, people)
    client.post(address(people), form | {"position": "2", "rationale": "Said"})
    client.post(reverse("judge_undo", args=[people.project.slug]), {"client_key": str(uuid.uuid4())}, headers=HTMX)
    keep(client, people, form, rationale="Second thoughts")
    return Judgment.objects.get(current=True)


def test_what_ones_own_undo_reopened_says_so_and_can_be_answered(people: ThreePeople, annotator_client: Client) -> None:
    undone = entered_again(people, annotator_client)
    history = reverse("history", args=[people.project.slug])
    assert "Entered, not counted" not in annotator_client.get(history).content.decode(), "it is open still"
    Assignment.objects.update(state=Assignment.State.EXPIRED)
    page = annotator_client.get(history).content.decode()
    assert "“Second thoughts”" in page
    assert "You took your answer back and gave no other" in page
    assert "others" not in page[page.index("Entered, not counted") : page.index("Second thoughts")]
    again = reverse("history_revise", args=[people.project.slug, undone.pk])
    assert f'href="{again}"' in page
    form = {"position": "6", "client_key": str(uuid.uuid4())}
    assert annotator_client.post(again, form).status_code == 302
    assert "Entered, not counted" not in annotator_client.get(history).content.decode()


def test_a_lease_that_ended_says_so(people: ThreePeople, annotator_client: Client) -> None:
    keep(annotator_client, people, get_form(annotator_client, people))
    Assignment.objects.update(state=Assignment.State.EXPIRED)
    page = annotator_client.get(reverse("history", args=[people.project.slug])).content.decode()
    assert "Its time was over before you sent it" in page


def test_a_second_look_says_whether_it_ended_or_its_first_judgment_was_taken_back(
    people: ThreePeople, annotator_client: Client
) -> None:
    Project.objects.update(hindsight_rate=1.0)
    Response.objects.update(consequence="It worked.")
    annotator_client.post(address(people), get_form(annotator_client, people) | {"position": "2"})
    keep(annotator_client, people, get_form(annotator_client, people))
    history = reverse("history", args=[people.project.slug])
    second = Assignment.objects.filter(follows__isnull=False)
    for state, why in (("expired", "Its time was over before you sent it."), ("released", "was taken back.")):
        assert second.update(state=state) == 1
        page = annotator_client.get(history).content.decode()
        assert why in page[page.index("Entered, not counted") : page.index("Half a tho")]
