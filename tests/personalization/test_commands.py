"""`attune round` and `attune machine` as they are typed: JSON on stdout, words on stderr, 1 where something is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_django.fixtures import Settings

from annotator.models import Annotator, JobState, Project
from attune.cli import main
from personalization.machines.secret import opened
from personalization.models import PolicyRound, RoundCandidate
from tests.attune.scripted_server import Answer, Scripted, scripted_server
from tests.factories import ThreePeople
from tests.personalization.test_machines import KEY, pairs_of, says
from tests.personalization.test_policy_playground import make_policy
from tests.personalization.test_rounds import written
from tests.personalization.worlds import judge
from tests.training.makers import make_tasteful_project
from training.execution import execute_run
from training.models import Run
from training.registry import promote

pytestmark = pytest.mark.django_db(transaction=True)


def attune(*arguments: str, project: Project) -> Result:
    return CliRunner().invoke(main, [*arguments, "--project", project.slug])


def told(ran: Result, code: int = 0) -> dict[str, Any]:
    assert ran.exit_code == code, (ran.output, ran.exception)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.fixture
def server(settings: Settings) -> Iterator[Scripted]:
    settings.JUDGES_PRIVATE = True
    with scripted_server() as found:
        yield found


# Machines


def add(project: Project, server: Scripted, *more: str) -> Result:
    address = ("--url", f"{server.url}/v1", "--model", "judge-1")
    return attune("machine", "add", "Judge", "--kind", "judge", *address, *more, project=project)


def test_a_judge_is_set_up_judges_and_is_compared(
    people: ThreePeople, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = pairs_of(people)
    judge(people.judge, first, "a", strength=3)
    judge(people.judge, second, "a")
    monkeypatch.setenv("JUDGE_KEY", KEY)
    ran = add(people.project, server, "--key-env", "JUDGE_KEY")
    assert told(ran) == {"machine": 1, "name": "Judge", "kind": "judge"}
    assert KEY not in ran.output
    assert opened(people.project.machines.get().key) == KEY
    server.answers[:] = [says("1"), says("2"), says("2"), says("1")]
    ran = attune("machine", "judge", "1", "--here", project=people.project)
    said = told(ran)
    assert (said["state"], said["error"]) == ("done", "")
    assert said["progress"] == {"phase": "judging", "step": 2, "steps": 2}
    assert "judging" in ran.stderr
    report = told(attune("machine", "report", "1", project=people.project))
    assert (report["judged"], report["overall"]["pairs"], report["overall"]["share"]["estimate"]) == (2, 2, 0.5)
    assert report["contested"] == [{"pair": second.pk, "judgments": 1, "against": 1.0}]
    assert report["simulated"] is None


def test_what_is_wrong_with_a_machine_is_said(
    people: ThreePeople, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    missing = add(people.project, server, "--key-env", "JUDGE_KEY")
    assert (missing.exit_code, "no environment variable JUDGE_KEY" in missing.stderr) == (2, True)
    assert not people.project.machines.exists()
    unknown = attune("machine", "judge", "7", project=people.project)
    assert (unknown.exit_code, "There is no machine annotator 7" in unknown.stderr) == (1, True)
    told(add(people.project, server))
    twice = add(people.project, server)
    assert (twice.exit_code, "“Judge” already" in twice.stderr) == (1, True)
    judge(people.judge, pairs_of(people)[0], "a")
    server.answers[:] = [Answer(status=403, body={})]
    refused = told(attune("machine", "judge", "1", "--here", project=people.project), code=1)
    assert (refused["state"], "refuses the key" in refused["error"]) == ("failed", True)


def test_without_here_a_worker_is_left_to_judge(people: ThreePeople, server: Scripted) -> None:
    told(add(people.project, server))
    assert told(attune("machine", "judge", "1", "--most-pairs", "3", project=people.project))["state"] == "waiting"
    run = people.project.machines.get().runs.get()
    assert (run.state, run.most_pairs) == (JobState.WAITING, 3)
    assert server.asked == []


# Rounds


@pytest.mark.timeout(600)
def test_a_round_is_written_put_judged_and_shown(people: ThreePeople) -> None:
    """The base model as it ships writes for one prompt; there is no reward model, so any two are paired."""
    project = people.project
    ran = attune(
        *("round", "start", "--most-prompts", "1", "--count", "3", "--temperature", "1", "--most-tokens", "200"),
        *("--method", "on_policy", "--versus-each", "0", "--seed", "3", "--here"),
        project=project,
    )
    said = told(ran)
    assert (said["round"], said["state"], said["policy"], said["put_at"]) == (1, "done", "tiny", None)
    assert said["metrics"]["candidates"] == 3
    assert "round 1 of" in ran.stderr
    assert "writing" in ran.stderr
    row = PolicyRound.objects.get()
    assert row.candidates.count() == 3
    before = project.pairs.count()
    put = told(attune("round", "put", "1", project=project))
    assert put["put"] == row.pairs.count() == project.pairs.count() - before
    again = told(attune("round", "put", "1", project=project))
    assert (again["put"], again["put_at"]) == (put["put"], put["put_at"])
    assert told(attune("round", "show", "1", project=project))["wins"] is None


def test_wins_are_shown_and_the_next_policy_learns(db: None) -> None:
    project = make_tasteful_project(annotators=3, prompts=4, each=4, ties=0.0)
    row = written(project, texts={True: ["Mine at length."], False: ["Theirs."]}, versus_each=1, pairs_each=0)
    both = attune("round", "next", "1", "--opinions", "--only-new", project=project)
    assert (both.exit_code, "--opinions learns none" in both.stderr) == (2, True)
    early = attune("round", "next", "1", project=project)
    assert (early.exit_code, "has not been put" in early.stderr) == (1, True)
    told(attune("round", "put", "1", project=project))
    pair = row.pairs.select_related("pair", "one").get()
    assert pair.pair
    mine = RoundCandidate.objects.get(pk=pair.one_id).response_id
    annotator = Annotator.objects.filter(project=project).earliest("pk")
    judge(annotator, pair.pair, "a" if pair.pair.response_a_id == mine else "b")
    wins = told(attune("round", "show", "1", project=project))["wins"]
    assert (wins["share"], wins["pairs"]) == (1.0, 1)
    assert 0 < wins["low"] < 1 == wins["high"]
    PolicyRound.objects.update(version=make_policy(project, retired=True))
    retired = attune("round", "next", "1", project=project)
    assert (retired.exit_code, "policy@1 is retired" in retired.stderr) == (1, True)
    PolicyRound.objects.update(version=None)
    run = told(attune("round", "next", "1", project=project))
    assert (run["run"], run["state"], run["policy"]) == (2, "waiting", None)
    twice = attune("round", "next", "1", project=project)
    assert (twice.exit_code, "learns from round 1 already" in twice.stderr) == (1, True)


def test_what_is_wrong_with_a_round_is_said(people: ThreePeople) -> None:
    project = people.project
    needs = attune("round", "start", project=project)
    assert (needs.exit_code, "which needs a reward model, and none is live yet" in needs.stderr) == (1, True)
    many = attune("round", "start", "--count", "99", "--method", "on_policy", project=project)
    assert (many.exit_code, "is more than 32 responses to a prompt" in many.stderr) == (1, True)
    assert not PolicyRound.objects.exists()
    unknown = attune("round", "show", "4", project=project)
    assert (unknown.exit_code, "There is no round 4" in unknown.stderr) == (1, True)
    waits = told(attune("round", "start", "--method", "on_policy", "--versus-each", "0", project=project))
    assert waits["state"] == "waiting"
    early = attune("round", "put", "1", project=project)
    assert (early.exit_code, "is waiting; expected one that is done" in early.stderr) == (1, True)


@pytest.mark.timeout(600)
def test_self_play_goes_on_by_itself(db: None) -> None:
    project = make_tasteful_project(annotators=3, prompts=10, each=10, ties=0.0)
    fitted = Run.objects.create(project=project, number=1, model_name="gpm", options={"steps": 20}, encoder="style")
    execute_run(fitted.pk)
    promote(version=fitted.version)
    asked = ("--most-prompts", "1", "--count", "3", "--most-tokens", "200", "--method", "dno", "--seed", "4")
    ran = attune("round", "play", "--iterations", "1", *asked, project=project)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    played, learnt = (json.loads(line) for line in ran.stdout.splitlines())
    assert (played["round"], played["policy"], played["judge"]) == (1, "tiny", "gpm@1")
    assert (learnt["run"], learnt["policy"], learnt["opinions_of"]) == (1, "policy@1", "gpm@1")
    assert PolicyRound.objects.get().seed == 4


def test_no_iteration_is_no_self_play(people: ThreePeople) -> None:
    none = attune("round", "play", "--iterations", "0", project=people.project)
    assert (none.exit_code, "x>=1" in none.stderr) == (2, True)
