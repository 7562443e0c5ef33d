from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from annotator.models import Project
from attune.cli import main
from attune.data import read_snapshot
from tests.factories import make_annotator, make_pair, make_project
from tests.training.makers import judge, make_tasteful_project, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(db: None) -> Project:
    return make_tasteful_project(annotators=6, prompts=8, each=8, reward_model="bradley_terry", slug="everyday")


def attune(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_snapshot_says_where_the_file_is(project: Project) -> None:
    ran = attune("snapshot", "create", "--project", "everyday", "--name", "first")

    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    assert said["counts"]["judgments"] == 48
    assert read_snapshot(Path(said["folder"])).digest == said["snapshot"]


def test_snapshots_are_compared(project: Project) -> None:
    annotator = project.annotators.all()[0]
    first = json.loads(attune("snapshot", "create", "--project", "everyday", "--filter", "repeats=drop").stdout)
    judge(annotator, make_pair(project), "a", text="new")
    second = json.loads(attune("snapshot", "create", "--project", "everyday", "--name", "second").stdout)
    assert (first["filters"], second["filters"]) == ({"repeats": "drop"}, {})
    ran = attune("snapshot", "diff", first["snapshot"][:12], "second", "--project", "everyday")
    assert ran.exit_code == 0, ran.output
    row, end = map(json.loads, ran.stdout.splitlines())
    assert (row["kind"], row["annotator"], row["after"]["rationale"]) == ("came", annotator.ref, "new")
    assert end["counts"] == {"came": 1, "went": 0, "changed": 0, "same": 48}
    counts = attune("snapshot", "diff", "second", first["snapshot"], "--project", "everyday", "--counts")
    assert json.loads(counts.stdout)["counts"]["went"] == 1
    listed = attune("snapshot", "list", "--project", "everyday").stdout.splitlines()
    assert [json.loads(line)["name"] for line in listed] == ["second", ""]
    past = attune("snapshot", "create", "--project", "everyday", "--as-of", "2020-01-02T03:04:05Z")
    assert (past.exit_code, past.stderr.count("\n")) == (1, 1)
    wrong = attune("snapshot", "create", "--project", "everyday", "--as-of", "yesterday")
    assert "--as-of is “yesterday”" in wrong.stderr
    chosen = attune("train", "--project", "everyday", "--here", "--snapshot", first["snapshot"])
    assert json.loads(chosen.stdout)["snapshot"] == first["snapshot"]


def test_a_policy_is_trained_on_a_chosen_snapshot(project: Project) -> None:
    frozen = json.loads(attune("snapshot", "create", "--project", "everyday", "--name", "first").stdout)
    unknown = attune("train-policy", "--project", "everyday", "--snapshot", "second")
    assert (unknown.exit_code, project.policy_runs.count()) == (1, 0)
    assert "second" in unknown.stderr
    ran = attune("train-policy", "--project", "everyday", "--snapshot", "first")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["snapshot"] == frozen["snapshot"]
    run = project.policy_runs.get()
    assert run.snapshot is not None
    assert run.snapshot.digest == frozen["snapshot"]


def test_train_here_shows_progress_and_ends_with_the_version(project: Project) -> None:
    ran = attune("train", "--project", "everyday", "--here", "--promote", "--option", "item=2.5", "--seed", "7")

    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    assert (said["state"], said["version"], said["live"], said["error"]) == ("done", "bradley_terry@1", True, "")
    run = project.runs.get()
    assert (run.options, run.seed) == ({"item": 2.5}, 7)
    assert said["metrics"] == run.metrics
    for phase in ("freezing", "encoding", "fitting", "storing"):
        assert phase in ran.stderr


def test_train_without_waiting_leaves_it_to_a_worker(project: Project) -> None:
    ran = attune("train", "--project", "everyday")

    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    assert (said["run"], said["state"], said["version"]) == (1, "waiting", None)


def test_train_ends_with_1_where_it_fails(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from attune.rewards.bradley_terry import BradleyTerry

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(BradleyTerry, "fit", fail)
    ran = attune("train", "--project", "everyday", "--here")

    assert ran.exit_code == 1
    said = json.loads(ran.stdout)
    assert said["state"] == "failed"
    assert "ran out of memory" in said["error"]


def test_promote_takes_a_label_or_a_number(project: Project) -> None:
    make_version(project)
    make_version(project)
    assert json.loads(attune("promote", "--project", "everyday", "bradley_terry@1").stdout) == {
        "live": "bradley_terry@1",
        "previous": None,
    }
    ran = attune("promote", "--project", "everyday", "2", "--reason", "fresher")
    assert json.loads(ran.stdout) == {"live": "bradley_terry@2", "previous": "bradley_terry@1"}
    assert project.promotions.first().reason == "fresher"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--project", "nowhere"), "There is no project 'nowhere'; there are: everyday."),
        (("train", "--project", "everyday", "--model", "oracle"), "model 'oracle' is not known"),
        (("train", "--project", "everyday", "--option", "item"), "The option 'item' has no value; expected KEY=VALUE."),
        (("train", "--project", "everyday", "--option", "sharp=1"), "does not take these options"),
        (
            ("promote", "--project", "everyday", "hybrid@9"),
            "no model “hybrid@9” in this project; the last ones are: none yet.",
        ),
        (("promote", "--project", "everyday", "last"), "There is no model “last”"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(project: Project, arguments: tuple[str, ...], said: str) -> None:
    ran = attune(*arguments)
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: ")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert ran.stdout == ""


def test_nothing_to_learn_is_said(db: None) -> None:
    project = make_project(slug="eggs", name="Eggs", reward_model="bradley_terry", encoder="style")
    judge(make_annotator(project), make_pair(project), "tie")
    for command in (("snapshot", "create"), ("train",)):
        ran = attune(*command, "--project", "eggs")
        assert ran.exit_code == 1
        assert "“Eggs” has" in ran.stderr
