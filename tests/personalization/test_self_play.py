"""Rounds of self-play: a general preference model judges what the policy wrote, and the next policy learns its opinions alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django.fixtures import Settings

from annotator.errors import Conflict, Invalid
from annotator.models import Annotator, JobState, Judgment, Role, User
from attune.policies.selfplay import read_opinions
from personalization.models import PolicyRound, RoundCandidate, RoundPair
from personalization.rounds.executing import execute_round
from personalization.rounds.pairing import measured, pair_candidates
from personalization.rounds.playing import Play, start_self_play
from personalization.rounds.putting import start_next_run
from personalization.rounds.rewarding import rewarded
from personalization.rounds.starting import Asked, start_round
from tests.annotator.api import Program, refused
from tests.factories import ThreePeople, login, make_member
from tests.personalization.test_rounds import QUICK, where, written
from tests.training.makers import make_tasteful_project
from training import store
from training.cleaning import remove_unreferenced
from training.execution import execute_run
from training.lineage import retrain
from training.models import ModelVersion, PolicyRun, Run, Scope
from training.policy_execution import began_with, execute_policy_run
from training.policy_runs import start_policy_run
from training.policy_selectors import policy_for
from training.registry import promote
from training.store import read_json

OF_PEOPLE = {"foretold": 1.0, "profiles": "told"}
"""Of use where people judged, and not where a model did."""

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(900)
def test_policies_play_against_themselves(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.attune.policies.conftest import make_micro

    base = str(make_micro(tmp_path_factory.mktemp("micro")))
    settings.ATTUNE_POLICY_BASES = [base]
    project = make_tasteful_project(annotators=3, prompts=10, each=10, ties=0.0)
    fitted = Run.objects.create(project=project, number=1, model_name="gpm", options={"steps": 20}, encoder="style")
    execute_run(fitted.pk)
    promote(version=ModelVersion.objects.get(run=fitted))
    owner = make_member(project, role=Role.OWNER)
    first = execute_policy_run(
        start_policy_run(project=project, chosen=QUICK | OF_PEOPLE | {"base": base}, send=False).pk
    )
    assert first is not None
    assert first.state == JobState.DONE, first.error
    liked = group_of_one(first)
    before = Judgment.objects.count()

    row = judged_by_the_model(version=1, owner=owner, project=first.project)
    second = learns_opinions(row, owner, Play(method="inpo", beta=0.3, anchor=0.4))
    assert (second.start_from, began_with(second)) == (first.version, first.version)

    row = judged_by_the_model(version=2, owner=owner, project=first.project)
    third = learns_opinions(row, owner, Play(method="dno"))
    assert (third.start_from, began_with(third)) == (second.version, first.version)
    assert third.version.members == [str(liked.pk)]
    assert policy_for(liked)[0] == third.version
    assert Judgment.objects.count() == before  # nobody has judged anything
    pages_say_whose_opinions(third, owner)
    with pytest.raises(Conflict, match="learnt from opinions of gpm@1"):
        retrain(version=third.version, by=owner)


def group_of_one(run: PolicyRun) -> Annotator:
    """The run's policy becomes that of a group with one member."""
    member = run.project.annotators.order_by("pk")[0]
    for row in (run, run.version):
        row.scope, row.prototype = Scope.PROTOTYPE, 1
    run.version.members = [str(member.pk)]
    run.save()
    run.version.save()
    return member


def judged_by_the_model(*, version: int, owner: User, project: Any) -> PolicyRound:
    """A round against the base model, each pair of which has an opinion."""
    asked = Asked(
        version=version,
        most_prompts=4,
        count=4,
        temperatures=(1.2,),
        most_tokens=30,
        method="nash",
        seed=3,
        pairs_each=2,
    )
    row = execute_round(start_round(project=project, by=owner, asked=asked, send=False).pk)
    assert row is not None
    assert (row.state, row.error) == (JobState.DONE, "")
    assert row.judge is not None
    assert row.judge.label == "gpm@1"
    assert 0 <= row.metrics["beats_low"] <= row.metrics["beats"] <= row.metrics["beats_high"] <= 1
    mine = row.candidates.filter(mine=True).exclude(text="")
    assert sum(each.win for each in mine if each.win is not None) / len(mine) == pytest.approx(0.5, abs=1e-5)

    RoundCandidate.objects.filter(round=row).update(finished=True)  # the micro model never learnt to end
    candidates = list(row.candidates.select_related("prompt"))
    verdict = rewarded(row, candidates)
    pairs = pair_candidates(row, candidates, verdict)
    RoundPair.objects.filter(round=row).delete()
    RoundPair.objects.bulk_create(pairs)
    row.metrics = measured(row, candidates, pairs, verdict=verdict, too_long=0)
    row.save()
    own = [each for each in pairs if not each.versus]
    assert own
    assert all(each.one.win >= each.other.win for each in own)
    assert all(0 < each.chance < 1 for each in pairs)
    return row


def learns_opinions(row: PolicyRound, owner: User, play: Play) -> PolicyRun:
    run = start_self_play(row=row, play=play, by=owner, send=False)
    assert run.snapshot is None
    assert len(read_opinions(store.fetch_folder(run.opinions)).rows) == row.pairs.filter(versus=False).count()
    with pytest.raises(Conflict, match="learns from round"):
        start_self_play(row=row, by=owner)
    done = execute_policy_run(run.pk)
    assert done is not None
    assert done.state == JobState.DONE, done.error
    assert (done.settings["method"], done.settings["options"]["beta"]) == (play.method, play.beta)
    assert not OF_PEOPLE.items() & done.settings.items()
    assert "explicit_held_out" not in done.metrics
    described = read_json(done.version.path, "policy.json")
    assert (described["opinions_of"], described["counts"]["annotators"]) == ("gpm@1", 0)
    remove_unreferenced()
    assert store.fetch_folder(run.opinions).is_dir()
    return done


def pages_say_whose_opinions(run: PolicyRun, owner: User) -> None:
    client, slug = login(owner), run.project.slug
    said = {"": "opinions of gpm@1", "runs/3/": "not from judgments of people", "3/": "not from judgments of people"}
    for path, words in said.items():
        page = client.get(f"/projects/{slug}/policies/{path}").content.decode()
        assert words in page
        assert "gpm@1" in page
    page = client.get(f"{where(run.project)}2/").content.decode()
    assert "a model’s opinions, not judgments of people" in page
    assert "model: first preferred" in page
    assert "The next round, with policy@3" in page
    program = Program(owner, run.project)
    assert program.ok("GET", "/policies/runs/3")["opinions_of"] == "gpm@1"
    assert program.ok("GET", "/policies/runs/1")["opinions_of"] is None
    said = program.ok("GET", "/policies/rounds/2")
    assert (said["judge"], said["next_run"]) == ("gpm@1", 3)
    assert all(each["chance"] is not None for each in program.ok("GET", "/policies/rounds/2/pairs")["results"])


def test_opinions_are_learnt_from_rounds_of_self_play_alone(people: ThreePeople) -> None:
    row = written(people.project, texts={True: ["Yes.", "No."], False: []})
    with pytest.raises(Conflict, match="was judged by a preference model"):
        start_self_play(row=row)
    with pytest.raises(Invalid, match="method is 'dpo'; expected inpo, dno, sppo"):
        start_self_play(row=row, play=Play(method="dpo"))
    with pytest.raises(Invalid, match=r"beta is 0; expected 0.001 to 100; anchor is 2; expected 0 to 1"):
        start_self_play(row=row, play=Play(beta=0.0, anchor=2.0))
    with pytest.raises(Invalid, match="needs a reward model, and none is live yet"):
        start_round(project=people.project, asked=Asked(version=None, versus_each=0, method="nash"), send=False)
    page = login(people.owner).post(f"{where(people.project)}1/next/", {"from": "opinions"}, follow=True)
    assert "was judged by a preference model" in page.content.decode()
    program = Program(people.owner, people.project)
    refused(program.send("POST", "/policies/rounds/1/next", {"opinions": True}), 409)
    both = {"opinions": True, "only_new": True}
    refused(program.send("POST", "/policies/rounds/1/next", both), 422, "only_new")
    with pytest.raises(Conflict, match="has not been put to annotators"):
        start_next_run(row=row)


def test_opinions_never_stand_beside_a_snapshot(people: ThreePeople) -> None:
    run = PolicyRun(project=people.project, number=1, opinions="opinions/1/x")
    with pytest.raises(IntegrityError), transaction.atomic():
        run.save()
