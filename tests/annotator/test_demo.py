"""The starter project: once, labelled as simulated, with ways in that work, and its truth outside the database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from annotator.models import Annotator, ApiToken, Judgment, Membership, Pair, Project, Prompt, Response, Role, User
from annotator.services.demo import SLUG, DemoAccess, seed_demo
from attune.simulate import AXES, PROTOTYPES, load_starter

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> Path:
    settings.ATTUNE_HOME = tmp_path / "home"
    return tmp_path / "home"


def test_the_starter_project_is_there_and_says_what_is_simulated() -> None:
    seed_demo()
    project = Project.objects.get(slug=SLUG)
    starter = load_starter()
    assert (project.name, project.simulated) == ("Everyday answers", True)
    assert "simulated" in project.source_note
    assert Prompt.objects.filter(project=project).count() == len(starter) >= 60
    assert Response.objects.filter(prompt__project=project).count() == sum(len(each.responses) for each in starter)
    simulated = Annotator.objects.filter(project=project, simulated=True)
    assert simulated.count() == 48
    assert str(simulated.get(ref="simulated-07")) == "Simulated 07 (simulated)"
    judgments = Judgment.objects.filter(project=project)
    assert set(judgments.values_list("source", "annotator__simulated")) == {("simulation", True)}
    assert judgments.count() == 4_000


def test_judgments_carry_what_the_simulation_said() -> None:
    seed_demo()
    labels = Project.objects.get(slug=SLUG).tag_labels
    judgments = Judgment.objects.select_related("rationale")
    assert {each["choice"] for each in judgments.values("choice")} >= {"a", "b", "tie"}
    assert {each["strength"] for each in judgments.filter(choice="a").values("strength")} == {1, 2, 3}
    assert 0.4 < judgments.filter(swapped=True).count() / 4_000 < 0.6
    assert judgments.filter(seconds__gt=0).count() == 4_000
    tagged = judgments.exclude(rationale=None).exclude(rationale__tags=[])
    assert tagged.count() > 400
    for each in tagged[:200]:
        assert all(tag["tag"] in labels and tag["side"] == each.choice and tag["good"] for tag in each.rationale.tags)


def test_pairs_stay_open_for_a_person() -> None:
    seed_demo()
    project = Project.objects.get(slug=SLUG)
    assert set(Pair.objects.filter(project=project).values_list("taken", "cap")) == {(0, project.overlap)}
    assert Annotator.objects.filter(project=project, user__email="annotator@attune.example", simulated=False).exists()


def test_again_keeps_the_data_and_gives_the_same_access(home: Path) -> None:
    first = seed_demo()
    before = (Judgment.objects.count(), Pair.objects.count(), User.objects.count(), ApiToken.objects.count())
    assert seed_demo() == first
    assert (Judgment.objects.count(), Pair.objects.count(), User.objects.count(), ApiToken.objects.count()) == before
    assert (home / "demo-access.json").stat().st_mode & 0o777 == 0o600


def test_a_lost_file_means_new_secrets_for_the_same_people(home: Path) -> None:
    first = seed_demo()
    (home / "demo-access.json").unlink()
    second = seed_demo()
    assert (second.owner_email, second.project_slug) == (first.owner_email, first.project_slug)
    assert second.owner_password != first.owner_password
    assert ApiToken.objects.count() == 1
    assert (Judgment.objects.count(), Membership.objects.count()) == (4_000, 2)
    check_access(second)


def test_access_of_another_database_is_not_given_out(home: Path) -> None:
    home.mkdir()
    other = DemoAccess("a@x.example", "p", "o@x.example", "p", "t", SLUG)
    (home / "demo-access.json").write_text(json.dumps({name: getattr(other, name) for name in DemoAccess.__slots__}))
    check_access(seed_demo())


def check_access(access: DemoAccess) -> None:
    roles = {access.owner_email: Role.OWNER, access.annotator_email: Role.ANNOTATOR}
    assert dict(Membership.objects.values_list("user__email", "role")) == roles
    for email, password in (
        (access.owner_email, access.owner_password),
        (access.annotator_email, access.annotator_password),
    ):
        answer = Client().post("/accounts/login/", {"login": email, "password": password})
        assert answer.status_code == 302, email
    api = Client(headers={"Authorization": f"Bearer {access.token}"})
    assert api.get(f"/api/v1/projects/{access.project_slug}").status_code == 200


def test_true_tastes_are_kept_outside_the_database(home: Path) -> None:
    seed_demo()
    truth = json.loads((home / "demo-truth.json").read_text())
    assert truth["axes"] == list(AXES)
    assert len(truth["annotators"]) == 48
    assert {person["prototype"] for person in truth["annotators"].values()} == set(PROTOTYPES)
    assert len(truth["quality"]) == Response.objects.count()
    assert not Annotator.objects.exclude(about={}).exists()
    assert not Judgment.objects.exclude(about={}).exists()
