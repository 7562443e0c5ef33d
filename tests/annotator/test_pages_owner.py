"""Who may open which of the owner's pages, plain and as htmx asks for parts, and what each costs in queries."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotator.models import Annotator, ImportBatch, Membership, Project, Role
from annotator.services.invites import create_invite
from annotator.services.tokens import issue_token
from tests.annotator.test_pages_owner_overview import say
from tests.factories import ThreePeople, login, make_annotator, make_member, make_pair, make_user

PAGES = ["project", "data", "people", "setup", "tokens", "pairs", "contested", "quality"]
OWNERS_ONLY = {"setup", "tokens"}
HTMX = {"HX-Request": "true"}


def address(name: str, project: Project, *args: object) -> str:
    return reverse(name, args=[project.slug, *args])


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize("name", PAGES)
def test_the_owner_opens_every_page(
    name: str, headers: dict[str, str], people: ThreePeople, owner_client: Client
) -> None:
    response = owner_client.get(address(name, people.project), headers=headers)
    assert response.status_code == 200
    assert people.project.name in response.content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize("name", PAGES)
def test_annotators_are_told_that_they_may_not(
    name: str, headers: dict[str, str], people: ThreePeople, annotator_client: Client
) -> None:
    response = annotator_client.get(address(name, people.project), headers=headers)
    assert response.status_code == 403
    assert "role owner" in response.content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize("name", PAGES)
def test_for_strangers_the_project_does_not_exist(
    name: str, headers: dict[str, str], people: ThreePeople, stranger_client: Client
) -> None:
    response = stranger_client.get(address(name, people.project), headers=headers)
    assert response.status_code == 404
    assert people.project.name not in response.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_without_a_login_there_is_only_the_way_to_it(name: str, people: ThreePeople) -> None:
    response = Client().get(address(name, people.project))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("name", PAGES)
def test_viewers_read_what_is_not_for_owners_alone(name: str, people: ThreePeople) -> None:
    viewer = login(make_member(people.project, role=Role.VIEWER))
    response = viewer.get(address(name, people.project))
    assert response.status_code == (403 if name in OWNERS_ONLY else 200)


QUERIES = {"project": 12, "data": 4, "people": 8, "setup": 7, "tokens": 3, "pairs": 9, "contested": 3, "quality": 5}


@pytest.mark.parametrize("name", PAGES)
def test_each_page_asks_the_database_so_often_however_much_there_is(
    name: str, people: ThreePeople, owner_client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    cache.clear()
    for _ in range(2):
        fill(people)
        owner_client.get(address(name, people.project))  # whether a project is large is kept from here on
        with django_assert_num_queries(QUERIES[name]):
            assert owner_client.get(address(name, people.project)).status_code == 200


def fill(people: ThreePeople) -> None:
    """A few more of everything that the pages list, with references that no address can hold."""
    for _ in range(3):
        annotator = make_annotator(people.project, make_user())
        Annotator.objects.filter(pk=annotator.pk).update(ref=f"a/b\n?#{annotator.pk}")
        say(make_pair(people.project), annotator)
        issue_token(user=people.owner, name="export", scopes=["read"], project=people.project)
        create_invite(project=people.project, by=people.owner)
        ImportBatch.objects.create(project=people.project, by=people.owner, name="file.csv", path="x")


ACTS = [
    ("invite_new", ()),
    ("invite_revoke", (1,)),
    ("member_role", (1,)),
    ("member_remove", (1,)),
    ("annotator_pause", (1,)),
    ("setup_archive", ()),
    ("setup_delete", ()),
    ("pair_withdraw", (1,)),
    ("import_confirm", (1,)),
    ("import_cancel", (1,)),
    ("token_rotate", ("attune_12345678",)),
    ("token_revoke", ("attune_12345678",)),
]


@pytest.mark.parametrize(("name", "args"), ACTS)
def test_only_owners_act(name: str, args: tuple[object, ...], people: ThreePeople, annotator_client: Client) -> None:
    where = address(name, people.project, *args)
    viewer = login(make_member(people.project, role=Role.VIEWER))
    stranger = login(people.stranger)
    assert [client.post(where).status_code for client in (viewer, annotator_client, stranger)] == [403, 403, 404]
    assert login(people.owner).get(where).status_code == 405


def test_a_superuser_counts_as_owner_without_being_a_member(people: ThreePeople) -> None:
    admin = login(make_user(is_superuser=True, is_staff=True))
    assert admin.get(address("people", people.project)).status_code == 200
    assert not Membership.objects.filter(user__is_superuser=True).exists()
