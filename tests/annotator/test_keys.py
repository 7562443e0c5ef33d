"""Own keys: checked, stored on the account, shown where they act."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from annotator.errors import Invalid
from annotator.keys import ACTIONS, DEFAULTS, keys_by_kind, keys_of, label_of, own_keys
from annotator.services.aspects import AspectAsked, set_aspects
from tests.annotator.test_page_judge import address
from tests.factories import ThreePeople


def test_usual_keys_are_all_different() -> None:
    for keys in keys_by_kind({}).values():
        assert len(set(keys.values())) == len(keys)
    assert own_keys(DEFAULTS) == {}


def test_a_key_may_mean_something_else_in_another_kind() -> None:
    assert own_keys(DEFAULTS | {"na": "G"}) == {"na": "G"}
    with pytest.raises(Invalid) as caught:
        own_keys(DEFAULTS | {"na": "5"})
    assert caught.value.fields == {
        "rate5": "5 is also the key of “Not on this scale”.",
        "na": "5 is also the key of “Rate as 5”.",
    }
    assert {label_of(each) for each in ACTIONS if each.name in ("card3", "place2", "a1", "step1")} == {
        "Place or pick up response T",
        "Put it in place 2",
        "A reason about A 1",
        "A much better",
    }


def test_only_what_differs_is_kept() -> None:
    own = own_keys(DEFAULTS | {"skip": "h", "undo": " ; "})
    assert own == {"skip": "H", "undo": ";"}
    assert keys_of(own)["skip"] == "H"
    assert keys_of(own)["flag"] == "F"


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [({"skip": "F"}, "also the key of “Flag a problem”"), ({"skip": "ß"}, "can’t be a key"), ({"skip": "ab"}, "can’t")],
)
def test_a_key_that_cannot_be(chosen: dict[str, str], problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        own_keys(DEFAULTS | chosen)
    assert problem in caught.value.fields["skip"]


@pytest.mark.django_db
def test_they_are_on_the_page_after_they_were_saved(people: ThreePeople, annotator_client: Client) -> None:
    reply = annotator_client.post(reverse("keys"), DEFAULTS | {"skip": "H", "a1": "A"})
    assert reply.status_code == 302
    html = annotator_client.get(address(people)).content.decode()
    assert re.search(r'popovertarget="skip".*<kbd data-key="H">H</kbd>', html, re.DOTALL)
    assert '<kbd data-key="A">A</kbd>Clear' in html
    annotator_client.post(reverse("keys"), {"usual": "1"})
    people.annotator.refresh_from_db()
    assert people.annotator.keys == {}


@pytest.mark.django_db
def test_two_actions_with_one_key_are_shown_with_the_reason(people: ThreePeople, annotator_client: Client) -> None:
    reply = annotator_client.post(reverse("keys"), DEFAULTS | {"skip": "F"})
    assert reply.status_code == 422
    assert "F is also the key of “Flag a problem”." in reply.content.decode()
    people.annotator.refresh_from_db()
    assert people.annotator.keys == {}


@pytest.mark.django_db
def test_how_one_reads_is_stored(people: ThreePeople, annotator_client: Client) -> None:
    annotator_client.post(reverse("reading"), {"text_size": "xl"})
    annotator_client.post(reverse("reading"), {"line_length": "short", "shortcuts": "off"})
    people.annotator.refresh_from_db()
    user = people.annotator
    assert (user.text_size, user.line_length, user.shortcuts) == ("xl", "short", False)
    assert 'data-text="xl" data-lines="short"' in annotator_client.get(address(people)).content.decode()
    assert annotator_client.post(reverse("reading"), {"text_size": "giant"}).status_code == 422


@pytest.mark.django_db
def test_the_guess_is_not_told_to_whom_it_does_not_want(people: ThreePeople, annotator_client: Client) -> None:
    fields = {"name": "Anna", "text_size": "m", "line_length": "normal", "break_minutes": "20", "shortcuts": "on"}
    assert annotator_client.post(reverse("account"), fields).status_code == 302
    people.annotator.refresh_from_db()
    assert (people.annotator.show_guess, people.annotator.break_minutes) == (False, 20)
    assert annotator_client.post(reverse("account"), fields | {"break_minutes": "-1"}).status_code == 422


@pytest.mark.django_db
def test_every_action_can_have_another_key(people: ThreePeople, annotator_client: Client) -> None:
    html = annotator_client.get(reverse("account")).content.decode()
    assert {each.name for each in ACTIONS} == set(re.findall(r'id="key-(\w+)"', html))


@pytest.mark.django_db
def test_every_key_is_on_the_sheet(people: ThreePeople, annotator_client: Client) -> None:
    set_aspects(project=people.project, by=people.owner, asked=[AspectAsked("Tone", "rate", 5)])
    html = annotator_client.get(address(people)).content.decode()
    sheet = re.search(r'<aside id="keys".*?</aside>', html, re.DOTALL)
    assert sheet
    shown = set(re.findall(r"<kbd[^>]*>(.)</kbd>", sheet[0]))
    first_and_last = {f"step{n}" for n in range(2, 7)}  # 1–7
    assert {key for name, key in keys_by_kind({})["pair"].items() if name not in first_and_last} <= shown
