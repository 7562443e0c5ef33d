"""Flags: raised with a judgment or a skip, seen by the owner, gone with a judgment that is taken back."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from annotator.models import AuditEntry, Flag, Judgment
from annotator.selectors.pairs import open_flags
from tests.annotator.test_page_judge import HTMX, address, get_form
from tests.factories import ThreePeople

pytestmark = pytest.mark.django_db
FLAG = {"flag_kind": "personal", "flag_about": "a", "flag_note": " A phone number. "}


def raise_flag(people: ThreePeople, client: Client, **others: str) -> Flag:
    form = get_form(client, people) | FLAG | (others or {"position": "2"})
    assert client.post(address(people), form, headers=HTMX).status_code == 200
    return Flag.objects.select_related("judgment__pair").get()


@pytest.mark.parametrize("others", [{"position": "2"}, {"skip": "1"}])
def test_it_is_kept_in_the_pairs_own_terms(
    people: ThreePeople, annotator_client: Client, others: dict[str, str]
) -> None:
    flag = raise_flag(people, annotator_client, **others)
    left = "b" if flag.judgment.swapped else "a"
    assert (flag.kind, flag.about, flag.note) == ("personal", left, "A phone number.")
    assert flag.judgment.choice == (left if "position" in others else "skip")


def test_an_unknown_kind_is_refused(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people) | {"position": "2", "flag_kind": "boring"}
    reply = annotator_client.post(address(people), form, headers=HTMX)
    assert reply.status_code == 422
    assert "“boring” is none of unsafe, broken, personal, other" in reply.content.decode()
    assert not Judgment.objects.exists()


def test_the_database_refuses_it_too(people: ThreePeople, annotator_client: Client) -> None:
    flag = raise_flag(people, annotator_client)
    for changed in ({"kind": "boring"}, {"about": "c"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Flag.objects.filter(pk=flag.pk).update(**changed)


def test_the_owner_finds_it_and_sees_to_it(
    people: ThreePeople, annotator_client: Client, owner_client: Client, stranger_client: Client
) -> None:
    flag = raise_flag(people, annotator_client)
    pair = flag.judgment.pair
    assert pair
    listed = owner_client.get(reverse("pairs", args=[people.project.slug]) + "?flagged=on").content.decode()
    assert "1 open flag" in listed
    assert listed.count('data-label="A"') == 1
    page = reverse("pair", args=[people.project.slug, pair.pk])
    assert "“A phone number.”" in owner_client.get(page).content.decode()
    seen = reverse("pair_seen", args=[people.project.slug, pair.pk])
    assert annotator_client.post(seen).status_code == 403
    assert stranger_client.post(seen).status_code == 404
    assert owner_client.post(seen).status_code == 302
    flag.refresh_from_db()
    assert flag.seen_by == people.owner
    assert not open_flags(people.project).exists()
    assert AuditEntry.objects.get(what="flags seen to").about == {"pair": pair.pk, "flags": 1}
    owner_client.post(seen)
    assert AuditEntry.objects.filter(what="flags seen to").count() == 1


def test_undo_takes_it_back_and_shows_it_again(people: ThreePeople, annotator_client: Client) -> None:
    raise_flag(people, annotator_client)
    key = {"client_key": "7b0b7a4e-64d2-4a54-8f9a-1a2f8f7d1f11"}
    html = annotator_client.post(reverse("judge_undo", args=[people.project.slug]), key, headers=HTMX).content.decode()
    assert not open_flags(people.project).exists()
    assert 'name="flag_kind" value="personal" checked' in html
    assert "A phone number." in html
