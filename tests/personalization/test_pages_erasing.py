"""Pages, routes and the command of erasure: who may, what they say, what they refuse."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from django.test import Client
from django.urls import reverse

from annotator.models import Annotator, Erasure, Judgment, Pair, Role
from attune.cli import main
from personalization.erasing import carry_out
from tests.annotator.api import Program, refused
from tests.factories import ThreePeople, login, make_member, make_people
from tests.training.makers import judge_some, make_tasteful_project, make_version
from training.models import Run
from training.registry import promote

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(settings: Any, tmp_path: Path) -> ThreePeople:
    settings.ATTUNE_HOME = tmp_path
    artifacts = {**settings.STORAGES["artifacts"], "OPTIONS": {"location": tmp_path / "artifacts"}}
    settings.STORAGES = {**settings.STORAGES, "artifacts": artifacts}
    found = make_people(make_tasteful_project(annotators=4, prompts=8, each=8, reward_model="bradley_terry"))
    judge_some(found.judge, list(Pair.objects.filter(project=found.project))[:4])
    promote(version=make_version(found.project))
    return found


def own(people: ThreePeople) -> str:
    return reverse("my_erasure", args=[people.project.slug])


def of_owner(people: ThreePeople) -> str:
    return reverse("annotator_erasure", args=[people.project.slug, people.judge.pk])


def test_by_oneself(people: ThreePeople) -> None:
    client = login(people.annotator)
    page = client.get(own(people)).content.decode()
    for word in ("4 judgments", "1 frozen snapshot", "bradley_terry@1", "serves", people.judge.ref):
        assert word in page
    wrong = client.post(own(people), {"typed": "yes"})
    assert wrong.status_code == 422
    assert "Nothing was erased" in wrong.content.decode()
    assert Judgment.objects.filter(annotator=people.judge).count() == 4
    done = client.post(own(people), {"typed": people.judge.ref}, follow=True)
    assert done.status_code == 200
    assert "A worker is taking them out of files" in done.content.decode()
    erasure = Erasure.objects.get()
    assert (erasure.by, erasure.by_themselves) == (None, True)
    carry_out(erasure.pk)
    report = client.get(reverse("erasure", args=[erasure.key])).content.decode()
    for word in ("All of it is gone", "bradley_terry@1", "can’t be unlearnt"):
        assert word in report
    assert client.get(own(people)).status_code == 404
    other = login(people.stranger)
    assert other.get(reverse("erasure", args=[erasure.key])).status_code == 404
    assert login(people.annotator).get(reverse("erasure", args=[erasure.key])).status_code == 404  # another session
    assert login(people.owner).get(reverse("erasure", args=[erasure.key])).status_code == 200


def test_by_an_owner_and_nobody_else(people: ThreePeople) -> None:
    viewer = make_member(people.project, role=Role.VIEWER)
    for user, status in ((people.annotator, 403), (viewer, 403), (people.stranger, 404)):
        for method in ("get", "post"):
            assert getattr(login(user), method)(of_owner(people), {"typed": people.judge.ref}).status_code == status
    assert Client().get(of_owner(people)).status_code == 302
    assert Annotator.objects.filter(pk=people.judge.pk).exists()
    client = login(people.owner)
    assert client.get(of_owner(people)).status_code == 200
    assert client.post(of_owner(people), {"typed": people.judge.ref}).status_code == 302
    assert not Annotator.objects.filter(pk=people.judge.pk).exists()
    assert client.get(of_owner(people)).status_code == 404
    assert client.get(reverse("erasure", args=[uuid.uuid4()])).status_code == 404


def test_flags_and_learning_again(people: ThreePeople) -> None:
    client = login(people.owner)
    client.post(of_owner(people), {"typed": people.judge.ref})
    carry_out(Erasure.objects.get().pk)
    slug = people.project.slug
    for name, args in (("erasures", [slug]), ("version", [slug, 1])):
        page = client.get(reverse(name, args=args)).content.decode()
        assert "Train again without them" in page
    assert "1 person erased since" in client.get(reverse("models", args=[slug])).content.decode()
    sent = client.post(reverse("version_retrain", args=[slug, 1]))
    assert sent.url == reverse("run", args=[slug, 2])
    assert Run.objects.get(number=2).snapshot == Run.objects.get(number=1).snapshot
    client.post(reverse("version_retrain", args=[slug, 1]))
    assert "already fits" in client.get(reverse("version", args=[slug, 1])).content.decode()
    assert login(make_member(people.project)).get(reverse("erasures", args=[slug])).status_code == 403
    assert login(people.stranger).get(reverse("erasures", args=[slug])).status_code == 404
    assert login(people.stranger).post(reverse("version_retrain", args=[slug, 1])).status_code == 404
    assert login(people.stranger).post(reverse("policy_retrain", args=[slug, 1])).status_code == 404


def test_through_the_api(people: ThreePeople) -> None:
    program = Program(people.owner, people.project)
    ref = people.judge.ref
    lineage = program.ok("GET", f"/lineage?annotator={ref}")
    assert [each["judgments"] for each in lineage["snapshots"]] == [4]
    assert (lineage["models"], lineage["own_policies"]) == (["bradley_terry@1"], [])
    refused(program.send("GET", "/lineage?annotator=nobody"), 404)
    refused(program.send("GET", f"/lineage?annotator={ref}&x=1"), 400)
    refused(Program(people.owner, people.project, "read", "write").send("DELETE", f"/annotators/{ref}"), 403)
    refused(Program(people.stranger, people.project).send("DELETE", f"/annotators/{ref}"), 404)
    someone = Annotator.objects.filter(project=people.project).exclude(pk=people.judge.pk)[0]
    refused(Program(people.annotator, people.project).send("DELETE", f"/annotators/{someone.ref}"), 404)
    done = program.ok("DELETE", f"/annotators/{ref}", status=202)
    assert (done["state"], done["flagged"], done["judgments"]) == ("waiting", ["bradley_terry@1"], 4)
    refused(program.send("DELETE", f"/annotators/{ref}"), 404)
    carry_out(Erasure.objects.get().pk)
    found = program.ok("GET", f"/erasures/{done['id']}")
    assert (found["state"], found["removed"]["judgments"]) == ("done", 4)
    assert len(found["remains"]) >= 3
    assert [each["id"] for each in program.ok("GET", "/erasures")["results"]] == [done["id"]]
    refused(program.send("GET", f"/erasures/{uuid.uuid4()}"), 404)
    refused(Program(people.stranger, people.project).send("GET", f"/erasures/{done['id']}"), 404)
    assert program.ok("GET", "/models")["results"][0]["erased"] == 1
    run = program.ok("POST", "/models/bradley_terry@1/retrain", status=201)
    assert run["snapshot"] == Run.objects.get(number=1).snapshot.digest  # type: ignore[union-attr]
    refused(program.send("POST", "/models/1/retrain"), 409)
    refused(Program(people.annotator, people.project).send("POST", "/models/1/retrain"), 404)


def test_annotators_erase_themselves_through_the_api(people: ThreePeople) -> None:
    program = Program(people.annotator, people.project)
    assert program.ok("GET", f"/lineage?annotator={people.judge.ref}")["models"] == ["bradley_terry@1"]
    assert program.ok("DELETE", f"/annotators/{people.judge.ref}", status=202)["by_themselves"] is True
    assert not Annotator.objects.filter(pk=people.judge.pk).exists()


def test_the_command(people: ThreePeople) -> None:
    whom = ("erase", "--project", people.project.slug, "--annotator", people.judge.ref)
    looked = CliRunner().invoke(main, [*whom, "--dry-run"])
    assert json.loads(looked.stdout)["models"] == ["bradley_terry@1"]
    refused_ = CliRunner().invoke(main, [*whom], input="n\n")
    assert refused_.exit_code == 1
    assert Annotator.objects.filter(pk=people.judge.pk).exists()
    done = CliRunner().invoke(main, [*whom, "--yes"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["state"], said["judgments"]) == ("done", 4)
    assert "todo" not in said
    assert CliRunner().invoke(main, [*whom, "--yes"]).exit_code == 1
    again = CliRunner().invoke(main, ["erase", "--reapply"])
    assert json.loads(again.stdout) == {"erased_again": [], "logins_deleted_again": 0}
    for wrong in (["erase"], ["erase", "--reapply", "--dry-run"]):
        assert CliRunner().invoke(main, wrong).exit_code == 2
