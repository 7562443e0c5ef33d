"""Machine annotators: never before a person, never among people, honest where they cannot judge, compared with intervals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from annotator.errors import Conflict, Invalid, NotFound
from annotator.models import Annotator, AuditEntry, JobState, Judgment, Pair, Role
from annotator.services.content import NewResponse, add_prompt
from attune.judging import Unreadable
from personalization.errors import MachineUnusable
from personalization.machines import endpoint
from personalization.machines.endpoint import Endpoint, chat_address
from personalization.machines.executing import execute_machine_run, waiting_pairs
from personalization.machines.managing import (
    NewMachine,
    add_machine,
    cancel_machine_run,
    renew_key,
    retire_machine,
    start_machine_run,
)
from personalization.machines.reading import report_on
from personalization.machines.secret import opened
from personalization.models import MachineAnnotator, MachineJudgment
from tests.annotator.api import Program
from tests.attune.scripted_server import Answer, Scripted, scripted_server
from tests.factories import ThreePeople, login, make_member
from tests.personalization.worlds import judge
from training.snapshots import usable_judgments

pytestmark = pytest.mark.django_db

KEY = "sk-very-secret"


def says(better: str) -> Answer:
    return Answer(body={"choices": [{"message": {"content": json.dumps({"better": better})}}]})


@pytest.fixture
def server(settings: Settings) -> Iterator[Scripted]:
    settings.JUDGES_PRIVATE = True
    with scripted_server() as found:
        yield found


def new_judge(server: Scripted, **fields: Any) -> NewMachine:
    values = {"name": "GPT", "kind": "judge", "url": f"{server.url}/v1", "model": "judge-1", "key": KEY}
    return NewMachine(**values | fields)


def pairs_of(people: ThreePeople) -> list[Pair]:
    return list(people.project.pairs.select_related("prompt", "response_a", "response_b").order_by("shuffle", "pk"))


def worked(machine: MachineAnnotator, **asked: Any) -> Any:
    run = execute_machine_run(start_machine_run(machine=machine, send=False, **asked).pk)
    assert run is not None
    return run


@pytest.mark.django_db(transaction=True)
def test_both_orders_are_asked_and_contradictions_are_ties(people: ThreePeople, server: Scripted) -> None:
    first, second, third, *_ = pairs_of(people)
    for each in (first, second):
        judge(people.judge, each, "a")
    machine = add_machine(project=people.project, new=new_judge(server), by=people.owner)
    server.answers[:] = [says("1"), says("2"), says("1"), says("1")]
    run = worked(machine)
    assert (run.state, run.error) == (JobState.DONE, "")
    rows = machine.judgments.order_by("pk").values_list("pair", "choice", "swayed")
    assert list(rows) == [(first.pk, "a", False), (second.pk, "tie", True)]
    assert not machine.judgments.filter(pair=third).exists()  # nobody has judged it
    contents = [asked.json["messages"][1]["content"] for asked in server.asked]
    a, b = first.response_a.text, first.response_b.text
    assert contents[0].index(a) < contents[0].index(b)
    assert contents[1].index(b) < contents[1].index(a)
    assert {asked.path for asked in server.asked} == {"/v1/chat/completions"}
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    assert worked(machine).state == JobState.DONE  # there is nothing left, and nothing is asked again
    assert len(server.asked) == 4


@pytest.mark.django_db(transaction=True)
def test_a_job_that_breaks_off_goes_on_where_it_was(people: ThreePeople, server: Scripted) -> None:
    for each in pairs_of(people)[:3]:
        judge(people.judge, each, "a")
    machine = add_machine(project=people.project, new=new_judge(server))
    server.answers[:] = [says("1"), says("2"), Answer(status=401, body={})]
    run = worked(machine)
    assert run.state == JobState.FAILED
    assert "refuses the key (it answered 401)" in run.error
    assert KEY not in run.error
    assert machine.judgments.count() == 1
    server.answers[:] = [says("2")]
    assert worked(machine).state == JobState.DONE
    assert machine.judgments.count() == 3


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_cannot_be_read_is_no_opinion(people: ThreePeople, server: Scripted) -> None:
    judge(people.judge, pairs_of(people)[0], "a")
    machine = add_machine(project=people.project, new=new_judge(server))
    server.answers[:] = [Answer(body={"choices": [{"message": {"content": "Both have merits."}}]})]
    assert worked(machine).state == JobState.DONE
    said = machine.judgments.get()
    assert (said.choice, said.problem) == ("none", "it replied “Both have merits.”")


def test_patience_with_a_busy_endpoint_and_none_with_a_wrong_address(server: Scripted, settings: Settings) -> None:
    waited: list[float] = []
    asked = Endpoint(f"{server.url}/v1", "m", "", "", waited.append)
    server.answers[:] = [Answer(status=503, body={}), Answer(cut=True), says("1"), says("2")]
    assert asked.compare("Why?", "x", "y") == ("a", False)
    assert waited == [2.0, 8.0]
    assert "authorization" not in server.asked[0].headers
    server.answers[:] = [Answer(status=429, body={})]
    with pytest.raises(MachineUnusable, match="answered 429, 4 times in a row"):
        asked.compare("Why?", "x", "y")
    server.answers[:] = [Answer(status=404, body={})]
    with pytest.raises(MachineUnusable, match="check its address"):
        asked.compare("Why?", "x", "y")
    server.answers[:] = [Answer(status=302, body={}, headers={"Location": "http://169.254.169.254/"})]
    before = len(server.asked)
    with pytest.raises(MachineUnusable, match="answered 302"):
        asked.compare("Why?", "x", "y")
    assert len(server.asked) == before + 1  # a redirect is not followed
    server.answers[:] = [Answer(body=b"x" * (endpoint.MOST_ANSWER + 1))]
    with pytest.raises(MachineUnusable, match="may not be asked: has more than"):
        asked.compare("Why?", "x", "y")
    server.answers[:] = [Answer(body=b"<html>")]
    with pytest.raises(Unreadable):
        asked.compare("Why?", "x", "y")
    settings.JUDGES_PRIVATE = False
    with pytest.raises(MachineUnusable, match="may not be asked"):
        asked.compare("Why?", "x", "y")


def test_addresses() -> None:
    assert chat_address("https://x.example/v1/") == "https://x.example/v1/chat/completions"
    assert chat_address("https://x.example/chat/completions") == "https://x.example/chat/completions"


def test_the_key_is_nowhere_to_be_read(people: ThreePeople, server: Scripted, settings: Settings) -> None:
    machine = add_machine(project=people.project, new=new_judge(server), by=people.owner)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT row_to_json(m)::text FROM personalization_machineannotator m WHERE id = %s", [machine.pk]
        )
        [[stored]] = cursor.fetchall()
    assert KEY not in stored
    assert opened(machine.key) == KEY
    owner, program = login(people.owner), Program(people.owner, people.project)
    for page in (owner.get(where(people)), owner.get(f"{where(people)}1/")):
        assert KEY not in page.content.decode()
        assert machine.key not in page.content.decode()
    assert "key" not in program.ok("GET", "/machines/1")
    assert not [each for each in AuditEntry.objects.values_list("about", flat=True) if KEY in json.dumps(each)]
    settings.SECRET_KEY = "another-secret-that-is-long-enough-for-django-to-be-content-with"
    with pytest.raises(MachineUnusable, match="enter it again"):
        opened(machine.key)
    renew_key(machine=machine, key="new")
    assert opened(machine.key) == "new"
    retire_machine(machine=machine)
    assert (machine.key, opened(machine.key)) == ("", "")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": "  "}, "name"),
        ({"kind": "person"}, "kind"),
        ({"url": "http://10.0.0.1/v1"}, "url"),
        ({"url": "https://user:pw@x.example/v1"}, "url"),
        ({"model": ""}, "model"),
        ({"key": "a\nb"}, "key"),
        ({"kind": "density"}, "reference"),
    ],
)
def test_what_cannot_be_set_up_names_its_field(
    people: ThreePeople, settings: Settings, fields: dict[str, Any], named: str
) -> None:
    settings.JUDGES_PRIVATE = False
    usual = {"name": "GPT", "kind": "judge", "url": "https://x.example/v1", "model": "m", "key": ""}
    with pytest.raises(Invalid) as refused:
        add_machine(project=people.project, new=NewMachine(**usual | fields))
    assert named in refused.value.fields
    assert not people.project.machines.exists()


def test_names_policies_and_work_happen_once(people: ThreePeople) -> None:
    new = NewMachine(name="Follow", kind="followup")
    machine = add_machine(project=people.project, new=new)
    with pytest.raises(Conflict, match="“Follow” already"):
        add_machine(project=people.project, new=new)
    with pytest.raises(NotFound, match="no policy 7"):
        add_machine(project=people.project, new=NewMachine(name="D", kind="density", version=7))
    run = start_machine_run(machine=machine, send=False)
    with pytest.raises(Conflict, match="at work already"):
        start_machine_run(machine=machine, send=False)
    cancel_machine_run(run=run)
    assert run.state == JobState.CANCELLED
    retire_machine(machine=machine)
    with pytest.raises(Conflict, match="is retired"):
        start_machine_run(machine=machine, send=False)
    with pytest.raises(Invalid, match="Only a judge has a key"):
        renew_key(machine=machine, key="x")


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(300)
def test_the_tiny_model_judges_by_followups(people: ThreePeople) -> None:
    first = pairs_of(people)[0]
    judge(people.judge, first, "a")
    machine = add_machine(project=people.project, new=NewMachine(name="Follow", kind="followup"))
    run = worked(machine)
    assert (run.state, run.error) == (JobState.DONE, "")
    said = machine.judgments.get()
    assert said.pair == first
    assert said.margin is not None
    assert said.choice == ("a" if said.margin > 0 else "b")


def test_they_are_never_before_people_nor_among_them(people: ThreePeople) -> None:
    first, second, *_ = pairs_of(people)
    machine = add_machine(project=people.project, new=NewMachine(name="Follow", kind="followup"))
    assert not waiting_pairs(machine).exists()
    judge(people.judge, first, "skip")
    assert not waiting_pairs(machine).exists()
    judge(people.judge, second, "b")
    assert list(waiting_pairs(machine)) == [second]
    before = (Judgment.objects.count(), Annotator.objects.count())
    MachineJudgment.objects.create(machine=machine, pair=second, choice="a", margin=1.0)
    assert not waiting_pairs(machine).exists()
    assert usable_judgments(people.project).count() == 1
    assert (Judgment.objects.count(), Annotator.objects.count()) == before


def test_agreement_by_hand(people: ThreePeople) -> None:
    """Three pairs of two topics. Pair 1: both annotators with the machine. Pair 2: one of two. Pair 3: against it, simulated."""
    rows, tie = [], pairs_of(people)[0]
    for number, topic in enumerate(("tea", "tea", "jam")):
        prompt = add_prompt(
            project=people.project,
            prompt=f"Question {number}?",
            topic=topic,
            responses=[NewResponse(f"One {number}"), NewResponse(f"Two {number}")],
        )
        rows.append(prompt.pairs.get())
    other = Annotator.objects.create(project=people.project, ref="sim", simulated=True)
    judge(people.judge, rows[0], "a", strength=3)
    judge(other, rows[0], "a", strength=1)
    judge(people.judge, rows[1], "b", strength=1)
    judge(other, rows[1], "a")
    judge(other, rows[2], "b")
    machine = add_machine(project=people.project, new=NewMachine(name="Follow", kind="followup"))
    for row in rows:
        MachineJudgment.objects.create(machine=machine, pair=row, choice="a")
    judge(people.judge, tie, "a")
    MachineJudgment.objects.create(machine=machine, pair=tie, choice="tie", swayed=True)
    found = report_on(machine)
    assert (found.judged, found.ties, found.swayed, found.no_opinion) == (4, 1, 1, 0)
    assert found.overall
    assert found.overall.share.estimate == pytest.approx((1 + 0.5 + 0) / 3)
    assert (found.overall.pairs, found.overall.judgments) == (3, 5)
    assert found.people
    assert found.people.share.estimate == pytest.approx(1 / 2)
    assert found.simulated
    assert found.simulated.share.estimate == pytest.approx(2 / 3)
    assert found.among_people
    assert found.among_people.share.estimate == pytest.approx(1 / 2)
    assert {each.name: each.share.estimate for each in found.topics} == {"tea": 0.75, "jam": 0.0}
    assert {each.name: each.share.estimate for each in found.strengths} == {"slightly": 0.5, "much": 1.0}
    assert [(each.judgment.pair_id, each.share) for each in found.contested] == [(rows[2].pk, 1.0)]


def where(people: ThreePeople) -> str:
    return f"/projects/{people.project.slug}/machines/"


def test_pages_for_owner_viewer_and_annotator(people: ThreePeople) -> None:
    owner = login(people.owner)
    refused = owner.post(where(people), {"name": "D", "kind": "density"})
    assert refused.status_code == 422
    assert "must differ" in refused.content.decode()
    refused = owner.post(where(people), {"name": "F", "kind": "followup", "version": "first"})
    assert refused.status_code == 422
    assert refused.context["error"].fields == {"version": "version is “first”; expected a whole number."}
    assert re.search(r'name="version" aria-invalid="true"', refused.content.decode())
    assert owner.post(where(people), {"name": "Follow", "kind": "followup"}).status_code == 302
    assert "Follow" in owner.get(where(people)).content.decode()
    pair = pairs_of(people)[0]
    judge(people.judge, pair, "b")
    page = owner.get(f"{where(people)}1/").content.decode()
    assert "1 pair that people have judged waits for it." in page
    owner.post(f"{where(people)}1/act/", {"act": "judge", "most_pairs": "5"})
    assert owner.get(f"{where(people)}1/live/").status_code == 200
    owner.post(f"{where(people)}1/act/", {"act": "stop"})
    assert owner.get(f"{where(people)}1/live/").status_code == 286
    machine = people.project.machines.get()
    MachineJudgment.objects.create(machine=machine, pair=pair, choice="a")
    page = owner.get(f"{where(people)}1/").content.decode()
    assert "Contested most" in page
    page = owner.get(f"/projects/{people.project.slug}/pairs/{pair.pk}/").content.decode()
    assert "What machines say" in page
    assert "counted nowhere" in page
    viewer = login(make_member(people.project, role=Role.VIEWER))
    assert viewer.get(f"{where(people)}1/").status_code == 200
    assert viewer.post(f"{where(people)}1/act/", {"act": "retire"}).status_code == 403
    assert login(people.annotator).get(f"{where(people)}1/").status_code == 403
    assert login(people.stranger).get(f"{where(people)}1/").status_code == 404
    owner.post(f"{where(people)}1/act/", {"act": "retire"})
    machine.refresh_from_db()
    assert machine.retired_at


def test_the_api_sets_up_runs_and_reports(people: ThreePeople) -> None:
    program = Program(people.owner, people.project)
    made = program.ok("POST", "/machines", {"name": "Follow", "kind": "followup"}, status=201)
    assert (made["number"], made["kind"], made["batch"]) == (1, "followup", None)
    pair = pairs_of(people)[0]
    judge(people.judge, pair, "a")
    assert program.ok("POST", "/machines/1/judge", {"most_pairs": 1}, status=202)["batch"]["state"] == "waiting"
    assert program.ok("POST", "/machines/1/cancel", {})["batch"]["state"] == "cancelled"
    MachineJudgment.objects.create(machine=people.project.machines.get(), pair=pair, choice="b", margin=-1.0)
    [said] = program.ok("GET", "/machines/1/judgments")["results"]
    assert (said["machine"], said["pair"], said["choice"]) == ("Follow", pair.pk, "b")
    report = program.ok("GET", "/machines/1/report")
    assert report["overall"]["share"] == 0.0
    assert report["contested"][0]["against"] == 1.0
    program.ok("DELETE", "/machines/1", status=204)
    assert program.ok("GET", "/machines")["results"][0]["retired_at"]
