"""A login's deletion: what goes in every project, who may, what stands in the way, what a restore brings back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from annotator.errors import Conflict, Forbidden
from annotator.models import Annotator, ApiToken, AuditEntry, Erasure, Judgment, Membership, Pair, Role, User
from annotator.services.tokens import issue_token
from attune.cli import main
from personalization.erasing import carry_out
from personalization.logins import delete_login, reapply_logins
from tests.factories import ThreePeople, login, make_member, make_people, make_project, make_user
from tests.training.makers import judge_some, make_tasteful_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(settings: Any, tmp_path: Path) -> ThreePeople:
    settings.ATTUNE_HOME = tmp_path
    artifacts = {**settings.STORAGES["artifacts"], "OPTIONS": {"location": tmp_path / "artifacts"}}
    settings.STORAGES = {**settings.STORAGES, "artifacts": artifacts}
    found = make_people(make_tasteful_project(annotators=4, prompts=8, each=8))
    judge_some(found.judge, list(Pair.objects.filter(project=found.project))[:4])
    return found


def second_project(people: ThreePeople, owner: User | None = None) -> Annotator:
    """Where the same person has judged, too."""
    project = make_tasteful_project(annotators=2, prompts=4, each=4, slug="second")
    make_member(project, owner or make_user(), Role.OWNER)
    make_member(project, people.annotator)
    annotator = Annotator.objects.create(project=project, user=people.annotator, ref="second-self")
    judge_some(annotator, list(Pair.objects.filter(project=project))[:2])
    return annotator


def test_by_oneself_everywhere(people: ThreePeople) -> None:
    user = people.annotator
    other = second_project(people)
    issue_token(user=user, name="Theirs", scopes=["read"])
    AuditEntry.objects.create(project=None, what="invite used", about={"member": user.email})
    client = login(user)
    elsewhere = login(user)
    page = client.get(reverse("account_delete")).content.decode()
    for word in ("4 judgments", "2 judgments", people.project.name, other.project.name, user.email):
        assert word in page
    wrong = client.post(reverse("account_delete"), {"typed": "yes"})
    assert (wrong.status_code, User.objects.filter(pk=user.pk).count()) == (422, 1)
    assert "Nothing was deleted" in wrong.content.decode()
    done = client.post(reverse("account_delete"), {"typed": user.email.upper()})
    assert done.status_code == 200
    report = done.content.decode()
    for word in ("is gone", people.project.name, other.project.name, "Backups of the database", "without its name"):
        assert word in report
    assert "may be used in other projects" not in report
    assert not User.objects.filter(pk=user.pk).exists()
    assert not Annotator.objects.filter(pk__in=[people.judge.pk, other.pk]).exists()
    assert not ApiToken.objects.filter(name="Theirs").exists()
    assert Erasure.objects.filter(by_themselves=True, by=None).count() == 2
    for each in Erasure.objects.all():
        carry_out(each.pk)
    kept = json.dumps([entry.about for entry in AuditEntry.objects.all()])
    assert user.email not in kept
    assert AuditEntry.objects.filter(project=people.project, what="member’s login deleted", by=None).exists()
    assert elsewhere.get(reverse("account")).status_code == 302, "signed out everywhere"
    sessions = [each.get_decoded().get("_auth_user_id") for each in Session.objects.all()]
    assert str(user.pk) not in sessions


def test_an_owner_of_all_their_projects_may_and_another_may_not(people: ThreePeople) -> None:
    member = Membership.objects.get(project=people.project, user=people.annotator)
    address = reverse("login_delete", args=[people.project.slug, member.pk])
    assert (
        reverse("login_delete", args=[people.project.slug, member.pk])
        in login(people.owner).get(reverse("people", args=[people.project.slug])).content.decode()
    )
    assert login(people.annotator).get(address).status_code == 403
    assert login(people.stranger).get(address).status_code == 404
    second = second_project(people)
    assert login(people.owner).get(address).status_code == 403, "they are in somebody else's project, too"
    with pytest.raises(Forbidden, match="projects that are not yours"):
        delete_login(user=people.annotator, by=people.owner)
    assert Judgment.objects.filter(annotator=second).count() == 2
    make_member(second.project, people.owner, Role.OWNER)
    done = login(people.owner).post(address, {"typed": people.annotator.email})
    assert done.status_code == 200
    assert not User.objects.filter(pk=people.annotator.pk).exists()
    assert Erasure.objects.filter(by=people.owner, by_themselves=False).count() == 2
    assert login(people.owner).get(address).status_code == 404


def _asked(user: User, email: str, **token: Any) -> HttpResponse:
    """Deletion through the API, with a new token of the user's."""
    plain = issue_token(user=user, name="Trainer", **{"scopes": ["manage"], **token})[1]
    address = reverse("api_login", args=[email])
    return cast(HttpResponse, Client().delete(address, HTTP_AUTHORIZATION=f"Bearer {plain}"))


def test_through_the_api(people: ThreePeople) -> None:
    email = people.annotator.email
    second = second_project(people)
    assert _asked(people.stranger, email).status_code == 404, "no project of theirs"
    assert _asked(people.owner, email).status_code == 403, "they are in somebody else's project, too"
    make_member(second.project, people.owner, Role.OWNER)
    assert _asked(people.owner, email, scopes=["write"]).status_code == 403
    assert _asked(people.owner, email, project=people.project).status_code == 403, "the token reaches one project"
    assert _asked(people.owner, "no\x00body@example.org").status_code == 404
    assert _asked(people.owner, people.owner.email).status_code == 409, "nobody else owns the project"
    assert User.objects.filter(email=email).exists()

    done = _asked(people.owner, email.upper())

    assert done.status_code == 200
    body = json.loads(done.content)
    assert {each["project"] for each in body["erasures"]} == {people.project.slug, second.project.slug}
    assert {each["id"] for each in body["erasures"]} == {
        str(key) for key in Erasure.objects.values_list("key", flat=True)
    }
    assert body["remains"]
    assert not User.objects.filter(email=email).exists()
    assert _asked(people.owner, email).status_code == 404


def test_ones_own_through_the_api(people: ThreePeople) -> None:
    email = people.annotator.email
    assert _asked(people.annotator, email).status_code == 200
    assert not User.objects.filter(email=email).exists()


def test_an_owner_may_not_delete_an_administrator_but_one_of_these_may_delete_anybody(people: ThreePeople) -> None:
    admin = User.objects.create_superuser("root@example.org", "correct horse battery")
    make_member(people.project, admin)
    with pytest.raises(Forbidden):
        delete_login(user=admin, by=people.owner)
    with pytest.raises(Conflict, match="only administrator"):
        delete_login(user=admin, by=admin)
    done = delete_login(user=people.annotator, by=admin)
    assert [each.by for each in done.erasures] == [admin]


def test_a_project_keeps_an_owner(people: ThreePeople) -> None:
    page = login(people.owner).get(reverse("account_delete")).content.decode()
    assert "has no other owner" in page
    assert 'name="typed"' not in page
    refused = login(people.owner).post(reverse("account_delete"), {"typed": people.owner.email})
    assert refused.status_code == 422
    with pytest.raises(Conflict, match="would have no owner"):
        delete_login(user=people.owner, by=None)
    assert not Erasure.objects.exists()
    make_member(people.project, make_user(), Role.OWNER)
    assert delete_login(user=people.owner, by=None).removed["users"] == 1


def test_what_others_of_the_same_name_did_stays(people: ThreePeople) -> None:
    User.objects.filter(pk=people.annotator.pk).update(name="Common Name")
    elsewhere = AuditEntry.objects.create(project=make_project(), what="role changed", about={"member": "Common Name"})
    here = AuditEntry.objects.create(project=people.project, what="role changed", about={"member": "Common Name"})
    delete_login(user=User.objects.get(pk=people.annotator.pk), by=None)
    elsewhere.refresh_from_db()
    here.refresh_from_db()
    assert (elsewhere.about["member"], here.about["member"]) == ("Common Name", "(erased)")


def test_after_a_restore_it_is_deleted_again(people: ThreePeople) -> None:
    user = people.annotator
    backup = User.objects.filter(pk=user.pk).values().get()
    delete_login(user=user, by=None)
    assert reapply_logins() == []
    again = User.objects.create_user(user.email, "correct horse battery")
    assert reapply_logins() == [], "somebody new under the same address is somebody new"
    again.delete()
    User(**backup).save(force_insert=True)
    assert len(reapply_logins()) == 1
    assert not User.objects.filter(email=user.email).exists()


def test_the_command(people: ThreePeople) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["erase", "--login", *arguments])

    email = people.annotator.email
    assert run("nobody@example.org", "--yes").exit_code == 1
    assert run(email, "--project", "x").exit_code == 2
    look = json.loads(run(email, "--dry-run").stdout)
    assert (look["login"], look["annotators"][0]["judgments"], look["only_owner_of"]) == (email, 4, [])
    assert run(people.owner.email, "--yes").exit_code == 1
    done = run(email, "--yes")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["removed"]["users"], [each["state"] for each in said["erasures"]]) == (1, ["done"])
    assert said["remains"]
    assert not Judgment.objects.filter(annotator=people.judge.pk).exists()


def test_nobody_reaches_the_page_without_a_login() -> None:
    assert Client().get(reverse("account_delete")).status_code == 302
