"""`attune score`, `attune login` and `attune runs` against a live server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_django.live_server_helper import LiveServer

from annotator.services.tokens import issue_token
from attune.commands.login import login
from attune.commands.runs import runs
from attune.commands.score import score
from tests.personalization.conftest import World
from tests.personalization.worlds import judge
from training.models import Run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(world: World, live_server: LiveServer) -> Any:
    _, token = issue_token(user=world.people.owner, name="Shell", scopes=["score"])

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(
            score, ["--url", live_server.url, "--token", token, "--tries", "1", *arguments], **options
        )

    return run


def test_it_prints_the_answer(world: World, run: Any) -> None:
    judge(world.judge, world.pairs[1], "a")
    pair = world.pairs[0]
    done = run(
        "--project", world.project.slug, "--prompt", pair.prompt.text, "--user", world.judge.ref, pair.response_a.text
    )
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["user"] == world.judge.ref
    assert answer["personalization"] == {"n_judgments": 1, "fallback": False}
    assert len(answer["data"]) == 1


def test_a_whole_request_from_stdin(world: World, run: Any) -> None:
    pair = world.pairs[0]
    body = {"project": world.project.slug, "prompt": pair.prompt.text, "completions": [pair.response_a.text]}
    done = run("--body", "-", input=json.dumps(body | {"normalize": "sigmoid"}))
    assert done.exit_code == 0, done.stderr
    assert 0 < json.loads(done.stdout)["data"][0]["score"] < 1


def test_a_refusal_is_on_stderr(world: World, run: Any) -> None:
    done = run("--project", "nowhere", "--prompt", "p", "c")
    assert (done.exit_code, done.stdout) == (1, "")
    assert json.loads(done.stderr)["code"] == "not_found"
    new = run("--project", world.project.slug, "--prompt", "new", "new")
    assert (new.exit_code, json.loads(new.stderr)["code"]) == (3, "scorer_away")


def test_nobody_there_and_nothing_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    ask = ["--tries", "1", "--project", "x", "--prompt", "p", "c"]
    away = CliRunner().invoke(score, ["--url", "http://127.0.0.1:9", "--token", "t", *ask])
    assert (away.exit_code, "Nobody answers at http://127.0.0.1:9" in away.stderr) == (3, True)
    assert CliRunner().invoke(score, ask).exit_code == 2
    (tmp_path / "demo.json").write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "t"}))
    assert CliRunner().invoke(score, ask).exit_code == 3
    assert CliRunner().invoke(score, ["--body", "-", *ask], input="{}").exit_code == 2


# --- login and runs -------------------------------------------------------------------------------------------------


def test_login_keeps_a_token_that_works(
    world: World, live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("ATTUNE_HOME", str(tmp_path))
    _, token = issue_token(user=world.people.owner, name="Shell", scopes=["score", "read"], project=world.project)
    done = CliRunner().invoke(login, ["--url", live_server.url + "/"], input=f"{token}\n")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout[done.stdout.index("{") :])
    assert (said["token"]["scopes"], said["token"]["project"]) == (["score", "read"], world.project.slug)
    assert token not in done.output
    pair = world.pairs[0]
    ask = ["--project", world.project.slug, "--prompt", pair.prompt.text, pair.response_a.text]
    assert CliRunner().invoke(score, ask).exit_code == 0
    refused = CliRunner().invoke(login, ["--url", live_server.url, "--token", "wrong"])
    assert (refused.exit_code, json.loads(refused.stderr)["status"]) == (1, 401)
    assert CliRunner().invoke(score, ask).exit_code == 0  # the one that works is kept


def test_runs_are_listed_started_and_waited_for(world: World, live_server: LiveServer) -> None:
    _, token = issue_token(user=world.people.owner, name="Shell", scopes=["read", "write", "manage"])
    where = ["--project", world.project.slug, "--url", live_server.url, "--token", token]
    listed = CliRunner().invoke(runs, ["list", *where])
    assert [json.loads(line)["number"] for line in listed.stdout.splitlines()] == [1]
    for state, code in (("done", 0), ("failed", 1)):
        Run.objects.update(state=state, progress={"phase": "done"})
        waited = CliRunner().invoke(runs, ["wait", "1", *where])
        assert (waited.exit_code, json.loads(waited.stdout)["state"], waited.stderr) == (code, state, "done\n")
    Run.objects.update(state="running")
    late = CliRunner().invoke(runs, ["wait", "1", "--timeout", "0.2", "--every", "0.1", *where])
    assert (late.exit_code, late.stdout, "still running" in late.stderr) == (1, "", True)
    assert CliRunner().invoke(runs, ["wait", "77", *where]).exit_code == 1
    nothing = CliRunner().invoke(runs, ["start", *where])
    assert (nothing.exit_code, json.loads(nothing.stderr)["code"]) == (1, "nothing_to_learn")
