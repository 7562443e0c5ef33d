"""Policy runs from the form to a registered version: a real process trains a micro model."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from annotator.errors import Conflict, Invalid
from annotator.models import Annotator, JobState, Project, Role
from annotator.services import jobs
from attune.encoders import DEFAULT_ENCODER
from tests.factories import ThreePeople, login, make_member, make_people
from tests.training.makers import make_tasteful_project
from training import policy_runs, store
from training.errors import NothingToLearn
from training.lineage import retrain
from training.models import PolicyRun, PolicyVersion, Scope
from training.policy_execution import execute_policy_run, run_folder
from training.policy_runs import cancel_policy_run, continue_policy_run, start_policy_run
from training.policy_selectors import policy_for, policy_log, policy_setup

QUICK: dict[str, Any] = {"epochs": 1, "batch": 8, "rank": 2, "samples": 1, "learning_rate": 0.01, "max_length": 256}


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.attune.policies.conftest import make_micro

    return str(make_micro(tmp_path_factory.mktemp("micro")))


@pytest.fixture
def base(micro: str, settings: Settings) -> str:
    settings.ATTUNE_POLICY_BASES = [micro]
    return micro


@pytest.fixture
def project(transactional_db: None) -> Project:
    return make_tasteful_project(annotators=3, prompts=10, each=10, ties=0.0)


def start(project: Project, base: str, **asked: Any) -> PolicyRun:
    chosen = QUICK | {"base": base} | asked.pop("chosen", {})
    return start_policy_run(project=project, chosen=chosen, send=False, **asked)


def test_a_run_becomes_a_policy_that_serves_everyone(project: Project, base: str) -> None:
    run = start(project, base)
    done = execute_policy_run(run.pk)
    assert done is not None
    assert (done.state, done.error) == (JobState.DONE, "")
    version = done.version
    assert version.label == "policy@1"
    assert version.samples[0].keys() == {"prompt", "before", "after"}
    assert (store.fetch_folder(version.path) / "adapter_model.safetensors").is_file()
    assert not run_folder(run).exists()
    log = policy_log(done)
    assert {"loss", "margin", "chosen", "rejected", "kl", "length"} <= log.series.keys()
    annotator = project.annotators.first()
    assert annotator is not None
    serving, why = policy_for(annotator)
    assert serving == version
    assert "they have none of their own yet" in why


def test_cancelled_at_a_step_with_a_checkpoint_and_continued(project: Project, base: str) -> None:
    run = start(project, base, chosen={"epochs": 60, "checkpoint_every": 1000, "samples": 0, "patience": 1000})

    def cancel_once_it_moves() -> None:
        while not (row := PolicyRun.objects.get(pk=run.pk)).over:
            if row.progress.get("step") and "stage" not in row.progress:
                break
            time.sleep(0.1)
        cancel_policy_run(run=row)
        connection.close()

    thread = threading.Thread(target=cancel_once_it_moves)
    thread.start()
    stopped = execute_policy_run(run.pk)
    thread.join()
    assert stopped is not None
    assert stopped.state == JobState.CANCELLED
    assert not PolicyVersion.objects.exists()
    checkpoints = list((run_folder(run) / "work").glob("checkpoint-*/complete"))
    assert len(checkpoints) == 1

    PolicyRun.objects.filter(pk=run.pk).update(settings=run.settings | {"epochs": 61})
    continue_policy_run(run=stopped, send=False)
    again = execute_policy_run(run.pk)
    assert again is not None
    assert again.state == JobState.DONE, again.error
    first = int(checkpoints[0].parent.name.rpartition("-")[2])
    steps = list(again.events.filter(step__isnull=False).values_list("step", flat=True))
    assert steps.count(1) == 1
    assert first + 1 in steps


def test_killed_by_the_system_says_what_to_change(project: Project, base: str) -> None:
    run = start(project, base, chosen={"epochs": 60, "samples": 0})

    def kill_once_it_moves() -> None:
        log = run_folder(run) / "progress.jsonl"
        until = time.monotonic() + 100
        while not (log.exists() and log.stat().st_size) and time.monotonic() < until:
            time.sleep(0.1)
        for folder in Path("/proc").glob("[0-9]*"):
            command = _command(folder)
            if "attune.commands.fit_policy" in command and str(run_folder(run)) in command:
                os.kill(int(folder.name), signal.SIGKILL)

    thread = threading.Thread(target=kill_once_it_moves)
    thread.start()
    failed = execute_policy_run(run.pk)
    thread.join()
    assert failed is not None
    assert failed.state == JobState.FAILED
    assert "most likely because the machine ran out of memory" in failed.error
    assert not PolicyVersion.objects.exists()


def _command(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def test_a_reason_from_the_training_reaches_the_row(project: Project, base: str) -> None:
    run = start(project, base, chosen={"max_length": 16})
    failed = execute_policy_run(run.pk)
    assert failed is not None
    assert failed.state == JobState.FAILED
    assert "fits into 16 tokens" in failed.error


def test_a_personal_policy_starts_from_everyones(project: Project, base: str) -> None:
    execute_policy_run(start(project, base).pk)
    annotator = project.annotators.first()
    assert annotator is not None
    with pytest.raises(
        NothingToLearn, match=r"has 10 judgments .* needs 20\. Until then policy@1 \(everyone\) serves them"
    ):
        start(project, base, scope=Scope.ANNOTATOR, annotator=annotator)
    policy_runs.LEAST_PERSONAL, kept = 5, policy_runs.LEAST_PERSONAL
    try:
        run = start(project, base, scope=Scope.ANNOTATOR, annotator=annotator)
        assert run.start_from is not None
        assert run.start_from.label == "policy@1"
        PolicyVersion.objects.update(erased=1)  # somebody was erased whom policy@1 knew, while this run waited
        done = execute_policy_run(run.pk)
        assert done is not None
        assert done.state == JobState.DONE, done.error
        assert done.version.erased == 1
        again = retrain(version=done.version, by=None, send=False)
    finally:
        policy_runs.LEAST_PERSONAL = kept
    assert isinstance(again, PolicyRun)
    assert again.start_from is None  # so that it is trained without them
    assert policy_for(annotator) == (done.version, "their own")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"chosen": {"method": "ppo"}}, "method is 'ppo'"),
        ({"chosen": {"base": "somebody/model"}}, "expected one that this server offers: tiny"),
        ({"scope": Scope.PROTOTYPE}, "needs the group’s number"),
        ({"scope": Scope.PROTOTYPE, "prototype": 4}, "The group is 4; expected 1 to 3"),
        ({"scope": Scope.PROTOTYPE, "prototype": 1}, "live reward model, and there is none yet"),
        ({"scope": Scope.ANNOTATOR}, "needs an annotator"),
        ({"scope": "nobody"}, "scope is “nobody”"),
    ],
)
def test_what_does_not_fit_is_refused(project: Project, base: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        start(project, base, **asked)
    assert not PolicyRun.objects.exists()


def test_the_same_twice_and_continuing_what_is_not_over(project: Project, base: str) -> None:
    run = start(project, base)
    with pytest.raises(Conflict, match="Policy run 1 already trains this"):
        start(project, base)
    with pytest.raises(Conflict, match="expected one that was stopped"):
        continue_policy_run(run=run, send=False)
    assert jobs.claim(model=PolicyRun, job_id=run.pk) is not None
    assert execute_policy_run(run.pk) is None


# Pages


@pytest.fixture
def people(db: None) -> ThreePeople:
    return make_people(make_tasteful_project(annotators=2, prompts=6, each=6))


def address(name: str, project: Project, *args: object) -> str:
    return reverse(name, args=[project.slug, *args])


def test_the_owner_starts_watches_stops_and_continues(people: ThreePeople) -> None:
    client = login(people.owner)
    page = client.get(address("policies", people.project))
    assert "No policy yet" in page.content.decode()
    sent = client.post(address("policy_train", people.project), {"whose": "everyone", "base": "tiny", "method": "rdpo"})
    run = PolicyRun.objects.get()
    assert sent["Location"] == address("policy_run", people.project, run.number)
    assert run.settings["method"] == "rdpo"
    assert run.settings["options"] == {"beta": 0.5}
    assert "hx-get" in client.get(address("policy_run", people.project, 1)).content.decode()
    assert client.get(address("policy_run_live", people.project, 1)).status_code == 200
    client.post(address("policy_run_cancel", people.project, 1))
    run.refresh_from_db()
    assert run.state == JobState.CANCELLED
    assert client.get(address("policy_run_live", people.project, 1)).status_code == 286
    assert "Continue" in client.get(address("policy_run", people.project, 1)).content.decode()
    client.post(address("policy_run_continue", people.project, 1))
    run.refresh_from_db()
    assert run.state == JobState.WAITING


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({}, ("off", "off")),
        ({"rationales": "told"}, ("told", "off")),
        ({"rationales": "nll", "profiles": "on"}, ("nll", "told")),
    ],
)
def test_what_becomes_of_reasons_and_profiles_is_chosen(
    people: ThreePeople, chosen: dict[str, str], kept: tuple[str, str]
) -> None:
    client = login(people.owner)
    page = client.get(address("policies", people.project)).content.decode()
    assert all(f'name="{name}"' in page for name in ("rationales", "profiles"))
    client.post(address("policy_train", people.project), {"whose": "everyone", **chosen})
    settings = PolicyRun.objects.get().settings
    assert (settings["rationales"], settings["profiles"]) == kept


@pytest.mark.parametrize(
    ("ticked", "share", "encoder"),
    [
        ({}, 0.0, DEFAULT_ENCODER),
        ({"foretold": "on"}, 1.0, "style"),
        ({"foretold": "on", "directions": "on"}, 0.0, DEFAULT_ENCODER),
    ],
)
def test_whether_other_pairs_are_foretold_is_chosen(
    people: ThreePeople, ticked: dict[str, str], share: float, encoder: str
) -> None:
    Project.objects.filter(pk=people.project.pk).update(encoder="style")
    client = login(people.owner)
    assert 'name="foretold" checked' in client.get(address("policies", people.project)).content.decode()
    client.post(address("policy_train", people.project), {"whose": "everyone", **ticked})
    settings = PolicyRun.objects.get().settings
    assert (settings["foretold"], settings["encoder"]) == (share, encoder)


def test_a_personal_run_learns_what_is_foretold_of_pairs_of_others(transactional_db: None, base: str) -> None:
    project = make_tasteful_project(annotators=3, prompts=40, each=30, ties=0.0)
    run = start(project, base, scope=Scope.ANNOTATOR, annotator=project.annotators.first(), chosen={"foretold": 1.0})
    done = execute_policy_run(run.pk)
    assert done is not None
    assert done.state == JobState.DONE, done.error
    version = PolicyVersion.objects.get()
    (note,) = (each for each in version.notes if "had not judged" in each)
    described = store.read_json(version.path, "policy.json")
    assert described["counts"]["made"] == int(note.split()[0]) > 0
    assert described["counts"]["train"] <= 30
    viewer = make_member(project, role=Role.VIEWER)
    assert note in login(viewer).get(address("policy", project, version.number)).content.decode()


def test_the_page_proposes_a_method_that_reads_strengths(people: ThreePeople) -> None:
    client = login(people.owner)
    assert "<option selected>soft</option>" in client.get(address("policies", people.project)).content.decode()
    client.post(address("policy_train", people.project), {"whose": "everyone"})
    settings = PolicyRun.objects.get().settings
    assert (settings["method"], settings["options"]) == ("soft", {"beta": 0.3})


@pytest.mark.parametrize(("name", "args"), [("policies", ()), ("policy_run", (1,)), ("policy_run_live", (1,))])
def test_who_may_look(name: str, args: tuple[int, ...], people: ThreePeople) -> None:
    start_policy_run(project=people.project, send=False)
    url = address(name, people.project, *args)
    viewer = make_member(people.project, role=Role.VIEWER)
    seen = [login(each).get(url).status_code for each in (people.owner, viewer, people.annotator, people.stranger)]
    assert seen == [200, 200, 403, 404]
    assert Client().get(url).status_code == 302


ACTS = [("policy_train", ()), ("policy_run_cancel", (1,)), ("policy_run_continue", (1,)), ("policy_retire", (1,))]


@pytest.mark.parametrize(("name", "args"), ACTS)
def test_only_owners_act(name: str, args: tuple[int, ...], people: ThreePeople) -> None:
    url = address(name, people.project, *args)
    viewer = make_member(people.project, role=Role.VIEWER)
    seen = [login(each).post(url).status_code for each in (viewer, people.annotator, people.stranger)]
    assert seen == [403, 403, 404]
    assert login(people.owner).get(url).status_code == 405
    assert not PolicyRun.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"whose": "annotator:abc"},
        {"whose": "annotator:"},
        {"epochs": "many"},
        {"base": "nowhere"},
        {"rationales": "loud"},
    ],
)
def test_a_wrong_form_says_so(people: ThreePeople, form: dict[str, str]) -> None:
    sent = login(people.owner).post(address("policy_train", people.project), form, follow=True)
    assert "expected" in sent.content.decode()
    assert not PolicyRun.objects.exists()


def test_a_policys_page_shows_what_it_says(people: ThreePeople) -> None:
    run = start_policy_run(project=people.project, send=False)
    from training.execution import freeze

    freeze(run)
    version = PolicyVersion.objects.create(
        project=people.project,
        number=1,
        base="tiny",
        path="policies/x",
        digest="d" * 64,
        metrics={"held_out_accuracy": 0.9, "kl": 3.25, "length": 20.0, "length_before": 40.0},
        samples=[{"prompt": "How?", "before": "It <b>may</b> be.", "after": "Just do it."}],
        run=run,
    )
    client = login(people.owner)
    text = client.get(address("policy", people.project, 1)).content.decode()
    assert "Just do it." in text
    assert "<b>may</b>" not in text
    assert "90.0\N{NO-BREAK SPACE}%" in text
    client.post(address("policy_retire", people.project, 1), {"reason": "old"})
    version.refresh_from_db()
    assert version.retired
    assert Annotator.objects.filter(project=people.project).exists()


def test_a_run_shows_what_was_chosen_and_folds_the_rest(people: ThreePeople) -> None:
    run = start_policy_run(
        project=people.project, chosen={"epochs": 3, "told_most": 9, "options": {"beta": 0.5}}, send=False
    )
    setup = policy_setup(run)
    assert [name for name, _ in setup.chosen][:4] == ["base", "method", "options", "epochs"]
    assert dict(setup.chosen)["options"] == "beta 0.5"
    assert dict(setup.chosen)["told_most"] == "9"
    assert "told_most" not in dict(setup.usual)
    assert dict(setup.usual)["aspects"] == "–"
    assert len(setup.chosen) + len(setup.usual) == len(run.settings)
    page = login(people.owner).get(address("policy_run", people.project, 1)).content.decode()
    assert "<dt>options</dt><dd>beta 0.5</dd>" in page
