"""People: links that are shown once, joining, roles, pauses."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.errors import Conflict
from annotator.models import Annotator, Assignment, AuditEntry, Invite, Membership, Role, User
from annotator.services.invites import create_invite, join_project, revoke_invite
from annotator.services.members import change_role
from tests.factories import PASSWORD, ThreePeople, login, make_annotator, make_member, make_user

NEW = {"name": "Nora New", "email": "Nora@Example.org", "password": "seven quiet herons", "may_learn": "on"}


def invitation(people: ThreePeople, **fields: object) -> str:
    _, token = create_invite(project=people.project, by=people.owner, **fields)  # type: ignore[arg-type]
    return token


def make_link(client: Client, people: ThreePeople, **data: object) -> str:
    where = reverse("invite_new", args=[people.project.slug])
    page = client.post(where, {"role": "annotator", "max_uses": 1, "days": 7} | data).content.decode()
    found = re.search(r'value="http://testserver(/join/[^"]+)"', page)
    assert found, page
    return found[1]


def test_a_link_is_shown_once_and_only_its_hash_is_kept(people: ThreePeople, owner_client: Client) -> None:
    link = make_link(owner_client, people, note="for Nora")
    token = link.split("/")[2]
    invite = Invite.objects.get()
    assert token not in str(invite.__dict__)
    assert len(invite.digest) == 64
    page = owner_client.get(reverse("people", args=[people.project.slug])).content.decode()
    assert "for Nora" in page
    assert token not in page
    assert AuditEntry.objects.get().what == "invite made"


def test_htmx_gets_the_panel_alone(people: ThreePeople, owner_client: Client) -> None:
    where = reverse("invite_new", args=[people.project.slug])
    headers = {"HX-Request": "true", "HX-Target": "invites"}
    response = owner_client.post(where, {"role": "viewer", "max_uses": 2, "days": 1}, headers=headers)
    assert response.content.decode().lstrip().startswith('<section class="panel stack" id="invites"')
    refused = owner_client.post(where, {"role": "viewer", "max_uses": 0, "days": 1}, headers=headers)
    assert refused.status_code == 422
    assert refused["HX-Retarget"] == "#invites"
    assert Invite.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"max_uses": "0"}, "greater than or equal to 1"),
        ({"max_uses": "x"}, "Enter a whole number"),
        ({"days": "9999"}, "less than or equal to 365"),
        ({"role": "king"}, "not one of the available choices"),
        ({"role": "owner", "max_uses": "2"}, "once only"),
        ({"note": "x" * 201}, "at most 200 characters"),
        ({"note": "nul\x00"}, "Null characters"),
    ],
)
def test_bad_invitations_name_the_field(
    data: dict[str, str], reason: str, people: ThreePeople, owner_client: Client
) -> None:
    where = reverse("invite_new", args=[people.project.slug])
    response = owner_client.post(where, {"role": "annotator", "max_uses": "1", "days": "7"} | data)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert not Invite.objects.exists()


@pytest.mark.parametrize("consents", [True, False])
def test_a_new_person_joins_with_an_account(consents: bool, people: ThreePeople, owner_client: Client) -> None:
    link = make_link(owner_client, people)
    visitor = Client()
    assert people.project.name in visitor.get(link).content.decode()
    response = visitor.post(link, NEW | ({"may_train": "on"} if consents else {}))
    assert response["Location"] == reverse("judge", args=[people.project.slug])
    user = User.objects.get(email="nora@example.org")
    assert user.check_password(NEW["password"])
    assert Membership.objects.get(user=user).role == Role.ANNOTATOR
    assert Annotator.objects.get(user=user).in_training is consents
    assert visitor.session["_auth_user_id"] == str(user.pk)
    assert Client().get(link).status_code == 404, "it had one use"
    assert visitor.get(link).status_code == 302, "but it still leads its user to the project"


def test_somebody_with_an_account_joins_with_it(people: ThreePeople, owner_client: Client) -> None:
    link = make_link(owner_client, people)
    client = login(people.stranger)
    page = client.get(link).content.decode()
    assert "password" not in page
    assert client.post(link, {"may_learn": "on", "may_train": "on"}).status_code == 302
    assert Annotator.objects.get(user=people.stranger, project=people.project).in_training is True
    again = client.post(link, {"may_learn": "on"})
    assert again.status_code == 302, "a double click is harmless"
    assert Invite.objects.get().uses == 1


def test_learning_is_needed_and_said_so(people: ThreePeople, owner_client: Client) -> None:
    link = make_link(owner_client, people)
    response = Client().post(link, {key: value for key, value in NEW.items() if key != "may_learn"})
    assert response.status_code == 422
    assert "nothing that you could do here" in response.content.decode()
    assert not User.objects.filter(email="nora@example.org").exists()


def test_viewers_agree_to_nothing_and_get_no_annotator(people: ThreePeople) -> None:
    link = reverse("join", args=[invitation(people, role=Role.VIEWER)])
    assert "may_learn" not in Client().get(link).content.decode()
    response = Client().post(link, NEW)
    assert response["Location"] == reverse("project", args=[people.project.slug])
    assert not Annotator.objects.filter(user__email="nora@example.org").exists()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"password": "short"}, "too short"),
        ({"password": "12345678901234"}, "entirely numeric"),
        ({"password": "nora@example.org"}, "too similar"),
        ({"email": "nora at home"}, "valid email"),
        ({"name": " "}, "required"),
    ],
)
def test_bad_accounts_name_the_field_and_use_nothing(changed: dict[str, str], reason: str, people: ThreePeople) -> None:
    token = invitation(people)
    response = Client().post(reverse("join", args=[token]), NEW | changed)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert Invite.objects.get().uses == 0
    assert User.objects.count() == 3


def test_an_address_with_an_account_is_asked_to_sign_in(people: ThreePeople) -> None:
    response = Client().post(reverse("join", args=[invitation(people)]), NEW | {"email": people.stranger.email.upper()})
    assert response.status_code == 422
    assert "has an account already" in response.content.decode()
    assert Invite.objects.get().uses == 0


@pytest.mark.parametrize("how", ["unknown", "withdrawn", "late", "archived"])
def test_dead_links_all_look_alike(how: str, people: ThreePeople) -> None:
    token = invitation(people)
    if how == "unknown":
        token = "x" * 32
    elif how == "withdrawn":
        revoke_invite(invite=Invite.objects.get(), by=people.owner)
    elif how == "late":
        Invite.objects.update(expires_at=timezone.now())
    else:
        type(people.project).objects.update(archived_at=timezone.now())
    for client in (Client(), login(people.stranger)):
        for response in (client.get(reverse("join", args=[token])), client.post(reverse("join", args=[token]), NEW)):
            assert response.status_code == 404
            assert people.project.name not in response.content.decode()


def test_the_last_use_is_given_once(people: ThreePeople) -> None:
    token = invitation(people)
    join_project(token=token, user=people.stranger, in_training=True)
    response = login(make_user()).post(reverse("join", args=[token]), {"may_learn": "on"})
    assert response.status_code == 404
    assert Membership.objects.filter(project=people.project).count() == 3


def test_a_members_role_does_not_fall_by_a_link(people: ThreePeople) -> None:
    member = join_project(token=invitation(people), user=people.owner, in_training=False)
    assert member.role == Role.OWNER
    assert Invite.objects.get().uses == 0


def test_roles_change_but_an_owner_stays(people: ThreePeople, owner_client: Client) -> None:
    own = Membership.objects.get(user=people.owner)
    where = reverse("member_role", args=[people.project.slug, own.pk])
    refused = owner_client.post(where, {"role": "viewer"})
    assert refused.status_code == 409
    assert "the only owner" in refused.content.decode()
    assert owner_client.post(reverse("member_remove", args=[people.project.slug, own.pk])).status_code == 409

    other = Membership.objects.get(user=people.annotator)
    assert (
        owner_client.post(reverse("member_role", args=[people.project.slug, other.pk]), {"role": "owner"}).status_code
        == 302
    )
    assert owner_client.post(where, {"role": "viewer"})["Location"] == reverse("home")
    own.refresh_from_db()
    assert own.role == Role.VIEWER
    with pytest.raises(Conflict):
        change_role(member=Membership.objects.get(user=people.annotator), role=Role.ANNOTATOR, by=people.annotator)


def test_an_unknown_role_is_refused_by_name(people: ThreePeople, owner_client: Client) -> None:
    other = Membership.objects.get(user=people.annotator)
    response = owner_client.post(reverse("member_role", args=[people.project.slug, other.pk]), {"role": "emperor"})
    assert response.status_code == 422
    assert "“emperor”" in response.content.decode()


def test_another_projects_members_are_out_of_reach(people: ThreePeople, owner_client: Client) -> None:
    theirs = Membership.objects.get(user=people.stranger)
    assert owner_client.post(reverse("member_remove", args=[people.project.slug, theirs.pk])).status_code == 404
    assert Membership.objects.filter(pk=theirs.pk).exists()


def open_assignment(people: ThreePeople) -> Assignment:
    return Assignment.objects.create(
        project=people.project,
        pair=people.project.pairs.earliest("id"),
        annotator=people.judge,
        lease_until=timezone.now() + timezone.timedelta(minutes=5),
    )


def test_who_leaves_gives_back_what_was_open(people: ThreePeople, owner_client: Client) -> None:
    assignment = open_assignment(people)
    member = Membership.objects.get(user=people.annotator)
    owner_client.post(reverse("member_remove", args=[people.project.slug, member.pk]))
    assignment.refresh_from_db()
    assert assignment.state == Assignment.State.RELEASED
    assert assignment.pair.taken == 0
    assert Annotator.objects.filter(pk=people.judge.pk).exists()


def test_pausing_swaps_the_row_and_gives_pairs_back(people: ThreePeople, owner_client: Client) -> None:
    assignment = open_assignment(people)
    where = reverse("annotator_pause", args=[people.project.slug, people.judge.pk])
    headers = {"HX-Request": "true", "HX-Target": f"annotator-{people.judge.pk}"}
    row = owner_client.post(where, {"pause": "on"}, headers=headers).content.decode()
    assert row.lstrip().startswith("<tr") and "paused" in row
    people.judge.refresh_from_db()
    assignment.refresh_from_db()
    assert people.judge.paused_at
    assert assignment.state == Assignment.State.RELEASED
    assert owner_client.post(where, {"pause": "off"}).status_code == 302
    people.judge.refresh_from_db()
    assert people.judge.paused_at is None
    assert [entry.what for entry in AuditEntry.objects.all()] == ["annotator resumed", "annotator paused"]


def test_long_lists_are_paged_and_searched(people: ThreePeople, owner_client: Client) -> None:
    for number in range(30):
        make_annotator(people.project, ref=f"file-{number:02}", simulated=number % 2 == 0)
    where = reverse("people", args=[people.project.slug])
    page = owner_client.get(where).content.decode()
    assert "1–25 of 31" in page
    assert "15 are simulated" in page
    part = owner_client.get(
        f"{where}?page=2", headers={"HX-Request": "true", "HX-Target": "annotators"}
    ).content.decode()
    assert "26–31 of 31" in part and "<html" not in part
    assert "26–31 of 31" in owner_client.get(f"{where}?page=99").content.decode(), "nonsense gets the nearest page"
    found = owner_client.get(f"{where}?q=file-07").content.decode()
    assert "file-07" in found and "file-08" not in found
    assert "Nobody is called" in owner_client.get(f"{where}?q=%00zzz").content.decode()


def test_viewers_see_names_but_no_addresses_or_links(people: ThreePeople) -> None:
    make_link(login(people.owner), people, note="secret note")
    viewer = login(make_member(people.project, role=Role.VIEWER))
    page = viewer.get(reverse("people", args=[people.project.slug])).content.decode()
    assert "Olive Owner" in page
    assert people.owner.email not in page
    assert "secret note" not in page
    assert '<form method="post" action="/projects' not in page


def test_login_after_joining_works_with_the_same_password(people: ThreePeople) -> None:
    Client().post(reverse("join", args=[invitation(people)]), NEW)
    again = Client()
    again.post(reverse("account_login"), {"login": "nora@example.org", "password": NEW["password"]})
    assert "_auth_user_id" in again.session
    assert NEW["password"] != PASSWORD
