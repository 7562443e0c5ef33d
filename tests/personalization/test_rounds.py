"""Rounds: a real process writes, the pairs are looked at and put to people once, their judgments say who wins, a run learns."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from annotator.errors import Conflict, Invalid, NotFound
from annotator.models import Annotator, JobState, Judgment, Pair, Project, Prompt, Response, Role, User
from personalization.models import PolicyRound, RoundCandidate, RoundPair
from personalization.rounds.executing import execute_round
from personalization.rounds.pairing import measured, pair_candidates
from personalization.rounds.playing import start_self_play
from personalization.rounds.putting import leave_out, put_round, start_next_run
from personalization.rounds.reading import judged_of, wins_of
from personalization.rounds.rewarding import Verdict
from personalization.rounds.starting import Asked, cancel_round, start_round
from personalization.sweeping import resume_jobs
from tests.annotator.api import Program, refused
from tests.factories import ThreePeople, login, make_member
from tests.personalization.conftest import World
from tests.personalization.test_policy_playground import make_policy
from tests.personalization.worlds import judge
from tests.training.makers import make_tasteful_project, make_version
from training.filters import SnapshotFilters
from training.models import PolicyRun, PolicyVersion
from training.policy_execution import execute_policy_run
from training.policy_runs import retire_policy, start_policy_run
from training.registry import promote
from training.snapshots import usable_judgments

pytestmark = pytest.mark.django_db

QUICK: dict[str, Any] = {"epochs": 1, "batch": 8, "rank": 2, "samples": 0, "learning_rate": 0.01, "max_length": 256}
BARE = Asked(version=None, versus_each=0, method="on_policy")


def where(project: Project) -> str:
    return f"/projects/{project.slug}/policies/rounds/"


def written(project: Project, *, texts: dict[bool, list[str]], **fields: Any) -> PolicyRound:
    """A round that is done, as if its policy (True) and its opponent (False) had written these to the first prompt."""
    number = project.policy_rounds.count() + 1
    row = PolicyRound.objects.create(
        project=project, number=number, base="tiny", temperatures=[1.0], state=JobState.DONE, **fields
    )
    prompt = Prompt.objects.filter(project=project).order_by("pk").first()
    assert prompt
    all_of_them = [(mine, text) for mine, several in texts.items() for text in several]
    candidates = [
        RoundCandidate(
            round=row, place=place, prompt=prompt, mine=mine, text=text, temperature=1.0, seed=7, reward=place
        )
        for place, (mine, text) in enumerate(all_of_them)
    ]
    pairs = pair_candidates(row, candidates)
    row.metrics = measured(row, candidates, pairs, verdict=Verdict(), too_long=0)
    row.save()
    RoundCandidate.objects.bulk_create(candidates)
    RoundPair.objects.bulk_create(pairs)
    return row


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(900)
def test_the_loop_closes(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.attune.policies.conftest import make_micro

    base = str(make_micro(tmp_path_factory.mktemp("micro")))
    settings.ATTUNE_POLICY_BASES = [base]
    project = make_tasteful_project(annotators=3, prompts=10, each=10, ties=0.0)
    promote(version=make_version(project))
    owner = make_member(project, role=Role.OWNER)
    first = execute_policy_run(start_policy_run(project=project, chosen=QUICK | {"base": base}, send=False).pk)
    assert first is not None
    assert first.state == JobState.DONE, first.error

    done = wrote_once(project, owner)
    made = put_once(done, owner, policy=first, base=base)
    judged_by_one(done, versus=sum(pair.versus for pair in made))
    learns_once(done, owner, judgments=len(made), start=first)


def wrote_once(project: Project, owner: User) -> PolicyRound:
    """The policy and its base write to three prompts; nobody sees anything of it."""
    asked = Asked(version=1, most_prompts=3, count=4, temperatures=(1.0, 1.3), most_tokens=40, method="rso", seed=5)
    row = start_round(project=project, by=owner, asked=asked, send=False)
    before = Response.objects.count()
    done = execute_round(row.pk)
    assert done is not None
    assert (done.state, done.error) == (JobState.DONE, "")
    assert execute_round(row.pk) is None
    assert done.metrics["candidates"] == 3 * 8
    assert done.candidates.filter(mine=False).count() == 3 * 8
    assert not done.candidates.filter(text__gt="", reward=None).exists()
    assert 0 <= done.metrics["win_low"] <= done.metrics["win"] <= done.metrics["win_high"] <= 1
    assert Response.objects.count() == before  # nobody sees anything before it is put
    return done


def put_once(done: PolicyRound, owner: User, *, policy: PolicyRun, base: str) -> list[RoundPair]:
    """Pairs are put to annotators, once, and each response says where it is from."""
    RoundCandidate.objects.filter(round=done).update(finished=True)  # the micro model never learnt to end
    candidates = list(done.candidates.select_related("prompt"))
    RoundPair.objects.filter(round=done).delete()
    made = pair_candidates(done, candidates)
    assert (
        3 < len(made) <= 3 * 2
    )  # one of its own and one with the base for each prompt, unless sampling rejects too many
    RoundPair.objects.bulk_create(made)
    before = Response.objects.count()
    assert put_round(row=done, by=owner) == len(made)
    assert put_round(row=done, by=owner) == len(made)
    new = Response.objects.filter(about__policy_round=1)
    written = {each for pair in made for each in (pair.one_id, pair.other_id)}
    assert Response.objects.count() - before == new.count() == len(written)
    assert set(new.values_list("source", flat=True)) == {"policy@1", base[:200]}
    about = new.filter(source="policy@1")[0].about
    assert about["policy_digest"] == policy.version.digest
    assert about["temperature"] in (1.0, 1.3)
    assert isinstance(about["seed"], int)
    return made


def judged_by_one(done: PolicyRound, *, versus: int) -> None:
    """A simulated annotator likes whatever the policy wrote."""
    annotator = done.project.annotators.order_by("pk").first()
    assert annotator
    for each in done.pairs.select_related("pair", "one"):
        assert each.pair
        choice = "a" if each.pair.response_a_id == each.one.response_id else "b"
        judge(annotator, each.pair, choice)
    wins = wins_of([done])[done.pk]
    assert versus > 1
    told = wins.share.estimate, wins.pairs, wins.judgments, wins.people, wins.simulated
    assert told == (1.0, versus, versus, 1, versus)


def learns_once(done: PolicyRound, owner: User, *, judgments: int, start: PolicyRun) -> None:
    """The next policy begins with this one, learns from the round alone, and meets it in the next round."""
    run = start_next_run(row=done, by=owner, only_new=True, send=False)
    assert run.start_from == start.version
    assert run.snapshot is not None
    assert run.snapshot.counts["judgments"] == judgments
    with pytest.raises(Conflict, match="learns from round 1 already"):
        start_next_run(row=done, by=owner)
    again = execute_policy_run(run.pk)
    assert again is not None
    assert again.state == JobState.DONE, again.error
    asked = Asked(version=2, opponent=1, most_prompts=1, method="on_policy")
    second = start_round(project=done.project, by=owner, asked=asked, send=False)
    assert (second.writer, second.rival) == ("policy@2", "policy@1")


def test_the_same_round_gives_the_same_pairs_and_equal_texts_none(people: ThreePeople) -> None:
    row = written(people.project, texts={True: ["Yes.", "Yes.", "No."], False: ["No.", "Maybe."]}, pairs_each=4)
    pairs = [(each.one.text, each.other.text, each.versus) for each in row.pairs.all()]
    assert [each[:2] for each in pairs if not each[2]] == [("No.", "Yes.")]  # the best by reward against the only other
    assert [one for one, other, versus in pairs if versus] == [pairs[-1][0]]
    assert pairs[-1][1] == "Maybe."
    candidates = list(row.candidates.select_related("prompt"))
    assert [(each.one.text, each.other.text, each.versus) for each in pair_candidates(row, candidates)] == pairs


def test_cut_off_responses_are_not_paired(people: ThreePeople) -> None:
    row = written(people.project, texts={True: ["Yes.", "No."], False: []})
    candidates = list(row.candidates.select_related("prompt"))
    candidates[0].finished = False
    assert pair_candidates(row, candidates) == []


def test_a_text_that_is_there_already_is_that_response(people: ThreePeople) -> None:
    pair = people.project.pairs.select_related("response_a", "response_b", "prompt").order_by("pk").first()
    assert pair
    row = written(people.project, texts={True: [pair.response_a.text, pair.response_b.text], False: []})
    before = (Response.objects.count(), Pair.objects.count())
    assert put_round(row=row, by=people.owner) == 1
    assert (Response.objects.count(), Pair.objects.count()) == before
    assert row.pairs.get().pair == pair


def test_pairs_are_left_out_before_and_never_after(people: ThreePeople) -> None:
    row = written(people.project, texts={True: ["Yes.", "No."], False: ["Maybe."]})
    own = row.pairs.get(versus=False)
    assert leave_out(row=row, pairs=[own.pk]) == 1
    assert put_round(row=row, by=people.owner) == 1
    with pytest.raises(Conflict, match="put to annotators already"):
        leave_out(row=row, pairs=[row.pairs.get().pk])


def test_two_runs_never_learn_from_one_round(people: ThreePeople) -> None:
    row = written(people.project, texts={True: ["Yes.", "No."], False: []})
    put_round(row=row, by=people.owner)
    pair = row.pairs.get().pair
    assert pair
    judge(people.judge, pair, "a")
    row.refresh_from_db()
    at_once = PolicyRound.objects.get(pk=row.pk)
    start_next_run(row=row, by=people.owner, send=False)
    with pytest.raises(Conflict, match="Policy run 1 learns from round 1 already"):
        start_next_run(row=at_once, by=people.owner, only_new=True, send=False)
    assert people.project.policy_runs.count() == 1


def test_nothing_goes_on_from_a_retired_policy(people: ThreePeople) -> None:
    row = written(people.project, texts={True: ["Yes.", "No."], False: []})
    put_round(row=row, by=people.owner)
    pair, page = row.pairs.get().pair, f"{where(people.project)}1/"
    assert pair
    judge(people.judge, pair, "a")
    PolicyRound.objects.update(version=make_policy(people.project))
    client, program = login(people.owner), Program(people.owner, people.project)
    assert "Train the next policy" in client.get(page).content.decode()
    loaded = PolicyRound.objects.select_related("version").get()
    retire_policy(version=PolicyVersion.objects.get(), by=people.owner)
    for only_new in (False, True):  # it was read before
        with pytest.raises(Conflict, match="policy@1 is retired, so nothing goes on"):
            start_next_run(row=loaded, by=people.owner, only_new=only_new, send=False)
    with pytest.raises(Conflict, match="policy@1 is retired"):
        start_self_play(row=loaded, send=False)
    for asked in ({}, {"opinions": True}):
        assert "policy@1 is retired" in refused(program.send("POST", "/policies/rounds/1/next", asked), 409)["detail"]
    shown = client.get(page).content.decode()
    assert "policy@1 is retired" in shown
    assert "Train the next policy" not in shown
    said = client.post(f"{page}next/", {"only_new": "on"}, follow=True).content.decode()
    assert said.count("policy@1 is retired") == 2, "on the page, and as what came of the press"
    assert people.project.policy_runs.count() == 1
    assert start_policy_run(project=people.project, send=False), "its judgments are learnt as any others"


def test_nothing_is_put_before_its_time(people: ThreePeople) -> None:
    row = start_round(project=people.project, asked=BARE, send=False)
    with pytest.raises(Conflict, match="is waiting; expected one that is done"):
        put_round(row=row)
    with pytest.raises(Conflict, match="has not been put"):
        start_next_run(row=row)
    with pytest.raises(IntegrityError), transaction.atomic():
        PolicyRound.objects.filter(pk=row.pk).update(put_at=row.created_at)
    with pytest.raises(Conflict, match="Round 1 is waiting"):
        start_round(project=people.project, asked=BARE, send=False)
    cancel_round(row=row)
    assert row.state == JobState.CANCELLED
    assert execute_round(row.pk) is None


def test_a_project_that_asks_for_no_pairs_takes_none(people: ThreePeople) -> None:
    row = written(people.project, texts={True: ["Yes.", "No."], False: []})
    Project.objects.filter(pk=people.project.pk).update(kinds=["rating"])
    with pytest.raises(Invalid, match="does not ask for pairs"):
        put_round(row=row)
    row.refresh_from_db()
    assert row.put_at is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 32, "temperatures": (0.5, 1.0)}, "count"),
        ({"temperatures": ()}, "temperatures"),
        ({"temperatures": (float("nan"),)}, "temperatures"),
        ({"most_tokens": 5_000}, "most_tokens"),
        ({"method": "rso"}, "method"),
        ({"method": "none"}, "method"),
        ({"pairs_each": 0}, "pairs_each"),
        ({"versus_each": 1}, "opponent"),
        ({"beta": 0.0}, "beta"),
        ({"topics": ["nothing"]}, "topics"),
    ],
)
def test_what_cannot_be_done_names_its_field(people: ThreePeople, changes: dict[str, Any], field: str) -> None:
    usual = {"version": None, "versus_each": 0, "method": "on_policy"}
    with pytest.raises(Invalid) as refused:
        start_round(project=people.project, asked=Asked(**usual | changes), send=False)
    assert field in refused.value.fields
    assert not PolicyRound.objects.exists()


def test_policies_and_prompts_that_are_not_there(people: ThreePeople) -> None:
    with pytest.raises(NotFound, match="no policy 9"):
        start_round(project=people.project, asked=Asked(version=9, method="on_policy"), send=False)
    with pytest.raises(Invalid, match="no prompt “x”"):
        start_round(
            project=people.project,
            asked=Asked(version=None, versus_each=0, method="on_policy", prompts=["x"]),
            send=False,
        )


def test_wins_turn_with_the_side_and_ties_are_halves(people: ThreePeople) -> None:
    row = written(
        people.project, texts={True: ["Yes.", "No."], False: ["Maybe.", "Never."]}, versus_each=2, pairs_each=0
    )
    put_round(row=row)
    judges = [people.judge, Annotator.objects.create(project=people.project, ref="sim", simulated=True)]
    first, second = row.pairs.select_related("pair", "one")
    assert first.pair
    assert second.pair
    is_a = first.pair.response_a_id == first.one.response_id
    judge(judges[0], first.pair, "a" if is_a else "b")
    judge(judges[1], first.pair, "tie")
    judge(judges[0], second.pair, "both_bad")
    wins = wins_of([row])[row.pk]
    assert wins.share.estimate == pytest.approx((0.75 + 0.5) / 2)
    assert (wins.pairs, wins.judgments, wins.people, wins.simulated) == (2, 3, 2, 1)
    assert judged_of(row) == (2, 3)


def test_snapshots_hold_a_rounds_judgments_alone(people: ThreePeople) -> None:
    old = people.project.pairs.order_by("pk").first()
    assert old
    judge(people.judge, old, "a")
    row = written(people.project, texts={True: ["Yes.", "No."], False: []})
    put_round(row=row)
    mine = row.pairs.get().pair
    assert mine
    said = judge(people.judge, mine, "b")
    only = usable_judgments(people.project, filters=SnapshotFilters(rounds=("1",)))
    assert list(only.values_list("pk", flat=True)) == [said.pk]
    assert not usable_judgments(people.project, filters=SnapshotFilters(rounds=("2", "x"))).exists()


def test_a_lost_worker_and_a_lost_message(people: ThreePeople) -> None:
    row = start_round(project=people.project, asked=BARE, send=False)
    PolicyRound.objects.filter(pk=row.pk).update(
        state=JobState.RUNNING, attempt=1, started_at=row.created_at, lease_until=row.created_at
    )
    resume_jobs()  # without a broker: it waits again, and the message is for the next sweep
    row.refresh_from_db()
    assert row.state == JobState.WAITING


@pytest.mark.django_db(transaction=True)
def test_what_keeps_a_policy_from_writing_is_on_the_row(people: ThreePeople) -> None:
    row = start_round(project=people.project, asked=BARE, send=False)
    PolicyRound.objects.filter(pk=row.pk).update(base="/nowhere")
    failed = execute_round(row.pk)
    assert failed is not None
    assert failed.state == JobState.FAILED
    assert "There is no model folder '/nowhere'" in failed.error
    assert not failed.candidates.exists()


def test_pages_for_owner_viewer_and_stranger(people: ThreePeople) -> None:
    row = written(people.project, texts={True: ["Yes <b>.", "No."], False: ["Maybe."]})
    owner = login(people.owner)
    page = owner.get(where(people.project)).content.decode()
    assert "Round 1" in page
    assert "to be looked at" in page
    page = owner.get(f"{where(people.project)}1/").content.decode()
    assert "Nobody has seen these yet" in page
    assert "<b>." not in page
    ticked = row.pairs.get(versus=True)
    owner.post(f"{where(people.project)}1/put/", {"act": "leave", "without": [ticked.pk, "x"]})
    assert row.pairs.count() == 1
    page = owner.post(f"{where(people.project)}1/put/", {"act": "put"}, follow=True).content.decode()
    assert "1 pair waits for annotators." in page
    assert "0 of 1 pairs judged" in page
    page = owner.post(f"{where(people.project)}1/next/", follow=True).content.decode()
    assert "has no judgment yet" in page
    assert not PolicyRun.objects.exists()
    viewer = login(make_member(people.project, role=Role.VIEWER))
    assert "Generate" not in viewer.get(where(people.project)).content.decode()
    assert viewer.post(where(people.project)).status_code == 403
    assert login(people.annotator).get(where(people.project)).status_code == 403


def test_the_form_starts_a_round_that_is_watched_and_stopped(people: ThreePeople) -> None:
    owner = login(people.owner)
    form = {
        "version": "",
        "opponent": "",
        "temperatures": "0.7,1",
        "method": "on_policy",
        "versus_each": "0",
        "most_prompts": "1",
    }
    refused = owner.post(where(people.project), form | {"temperatures": "warm"})
    assert refused.status_code == 422
    assert "temperatures is" in refused.content.decode()
    assert owner.post(where(people.project), form).status_code == 302
    row = people.project.policy_rounds.get()
    assert (row.temperatures, len(row.prompts), row.put_when_done) == ([0.7, 1.0], 1, False)
    live = owner.get(f"{where(people.project)}1/live/")
    assert "waiting since" in live.content.decode()
    owner.post(f"{where(people.project)}1/stop/")
    over = owner.get(f"{where(people.project)}1/live/")
    assert over.status_code == 286
    assert over["HX-Refresh"] == "true"


def test_the_api_starts_looks_and_puts_once(people: ThreePeople) -> None:
    program = Program(people.owner, people.project)
    body = {"method": "on_policy", "versus_each": 0, "most_prompts": 1}
    made = program.ok("POST", "/policies/rounds", body, status=201)
    assert made["policy"] == "tiny"
    assert program.ok("POST", "/policies/rounds/1/cancel", {})["state"] == "cancelled"
    row = written(people.project, texts={True: ["Yes.", "No."], False: []})
    [pair] = program.ok("GET", f"/policies/rounds/{row.number}/pairs")["results"]
    assert {pair["one"], pair["other"]} == {"Yes.", "No."}
    assert program.ok("POST", f"/policies/rounds/{row.number}/put", {})["put_at"]
    assert len(program.ok("GET", "/policies/rounds")["results"]) == 2


def test_judgments_of_equal_rounds_are_not_confused(world: World) -> None:
    one = written(world.project, texts={True: ["Yes."], False: ["No."]})
    two = written(world.project, texts={True: ["No."], False: ["Yes."]})
    put_round(row=one)
    put_round(row=two)
    pair = one.pairs.get().pair
    assert pair == two.pairs.get().pair
    assert pair
    mine = one.candidates.get(mine=True).response_id
    Judgment.objects.create(
        project=world.project,
        annotator=world.judge,
        pair=pair,
        choice="a" if pair.response_a_id == mine else "b",
        client_key=uuid.uuid4(),
    )
    found = wins_of([one, two])
    assert (found[one.pk].share.estimate, found[two.pk].share.estimate) == (1.0, 0.0)


def test_the_list_reads_all_rounds_at_once(world: World) -> None:
    program = Program(world.people.owner, world.project)
    row = written(world.project, texts={True: ["Mine."], False: ["Theirs."]}, pairs_each=0)
    put_round(row=row)
    [pair] = row.pairs.select_related("pair")
    assert pair.pair
    judge(world.judge, pair.pair, "tie")
    program.ok("GET", "/policies/rounds")  # the first use of a token is noted
    with CaptureQueriesContext(connection) as one:
        [first] = program.ok("GET", "/policies/rounds")["results"]
    assert (first["wins"]["share"], first["wins"]["pairs"]) == (0.5, 1)
    for number in range(3):
        put_round(row=written(world.project, texts={True: [f"M {number}"], False: [f"T {number}"]}, pairs_each=0))
    with CaptureQueriesContext(connection) as several:
        listed = program.ok("GET", "/policies/rounds")["results"]
    assert len(listed) == 4
    assert [each["wins"] for each in listed].count(None) == 3
    assert len(several) == len(one)
    assert program.ok("GET", "/policies/rounds/1")["wins"] == first["wins"]
