"""What machines had said of a pair is told after somebody judged it, where the project tells it, and never before."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from annotator.models import Assignment, Judgment, Pair, Project, Response, User
from annotator.services.answers import Answer
from annotator.services.dealing import Dealt, deal
from annotator.services.judging import record, undo_last, withdraw
from annotator.services.opinions import opinions_after
from personalization.machines.managing import NewMachine, add_machine, retire_machine
from personalization.models import MachineAnnotator, MachineJudgment
from tests.annotator.api import Program
from tests.annotator.test_page_judge import HTMX, address, form_of, get_form, held_of
from tests.factories import ThreePeople, login, make_annotator, make_pair, make_people, make_project

pytestmark = pytest.mark.django_db

WORDS = ("Machina", "machine annotators", "machines said", "machines had said")
"""Nothing of this may be on a page before its pair is judged."""


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


def machines(project: Project, *names: str) -> list[MachineAnnotator]:
    return [add_machine(project=project, new=NewMachine(name=name, kind="followup")) for name in names]


def opine(machine: MachineAnnotator, choice: str = "a", **fields: Any) -> None:
    """Of every pair of its project."""
    for pair in machine.project.pairs.all():
        MachineJudgment.objects.create(machine=machine, pair=pair, choice=choice, **fields)


@pytest.fixture
def told(db: None) -> ThreePeople:
    """A project that tells it, with a machine that prefers each pair's own a."""
    people = make_people(make_project(pairs=30, show_machines=True))
    [machine] = machines(people.project, "Machina")
    opine(machine)
    return people


def shown(people: ThreePeople) -> str:
    return login(people.annotator).get(address(people)).content.decode()


def letter(form: dict[str, str], choice: str = "a") -> str:
    """Where the pair's own a or b stands on the screen."""
    swapped = Assignment.objects.get(key=form["assignment"]).swapped
    return "A" if (choice == "a") != swapped else "B"


def judged(people: ThreePeople, choice: str = "left") -> tuple[Dealt, Judgment]:
    dealt = deal(annotator=people.judge)
    assert dealt
    answer = Answer(choice=choice)  # type: ignore[arg-type]
    made = record(annotator=people.judge, assignment_key=dealt.key, client_key=uuid.uuid4(), answer=answer)
    return dealt, made.judgment


@pytest.mark.parametrize("position", ["1", "4", "both_bad"])
def test_told_after_the_judgment_in_the_letters_of_the_screen(told: ThreePeople, position: str) -> None:
    client = login(told.annotator)
    form = get_form(client, told)
    html = client.post(address(told), form | {"position": position}, headers=HTMX).content.decode()
    assert f"Of the last pair machines had said: Machina: {letter(form)}" in html
    assert '<span class="pill model">machine</span>' in html
    assert "Your model guessed" not in html


def test_beside_the_guess_and_in_a_plain_reply(told: ThreePeople) -> None:
    client = login(told.annotator)
    form = get_form(client, told)
    Assignment.objects.filter(key=form["assignment"]).update(guess=0.78, swapped=False)
    html = client.post(address(told), form | {"position": "1"}, follow=True).content.decode()
    assert "Your model guessed A (78 %), and so did you" in html
    assert "Of the last pair machines had said: Machina: A" in html


def test_nothing_before_on_page_pairs_ahead_drafts_and_history(told: ThreePeople) -> None:
    client = login(told.annotator)
    page = client.get(address(told)).content.decode()
    ahead = reverse("judge_ahead", args=[told.project.slug])
    held = client.get(f"{ahead}?held={held_of(page)}", headers=HTMX).content.decode()
    assert form_of(held)["assignment"] != form_of(page)["assignment"]
    draft = reverse("judge_draft", args=[told.project.slug])
    kept = client.post(draft, form_of(page) | {"position": "2", "rationale": "Not sure."}, headers=HTMX)
    again = client.get(address(told)).content.decode()
    assert "Not sure." in again
    history = client.get(reverse("history", args=[told.project.slug])).content.decode()
    me = client.get(reverse("me", args=[told.project.slug])).content.decode()
    for text in (page, held, kept.content.decode(), again, history, me):
        assert not [word for word in WORDS if word in text]


def test_the_reply_brings_the_next_pair_without_its_opinion(told: ThreePeople) -> None:
    """The words are about the pair that was judged: machines of different mind on the two of them tell which."""
    client = login(told.annotator)
    page = client.get(address(told)).content.decode()
    form = form_of(page)
    pair = Assignment.objects.get(key=form["assignment"]).pair_id
    MachineJudgment.objects.exclude(pair=pair).update(choice="tie")
    reply = client.post(address(told), form | {"position": "1", "ahead": "some"}, headers=HTMX).content.decode()
    before, after = reply.split("</template>")
    assert not [word for word in WORDS if word in before]
    assert f"Machina: {letter(form)}" in after
    assert "about equal" not in after


def test_the_api_tells_it_with_the_stored_judgment_and_not_with_the_pair(told: ThreePeople) -> None:
    program = Program(told.annotator, told.project)
    lent = program.send("GET", "/next")
    assert "achin" not in lent.content.decode()
    key = lent.json()["assignment"]
    stored = program.ok("POST", "/judgments", {"assignment": key, "choice": "b", "strength": 1}, status=201)
    seen = letter({"assignment": key}).lower()
    assert stored["machines"] == [{"name": "Machina", "choice": seen, "swayed": False}]
    key = program.ok("GET", "/next")["assignment"]
    skipped = program.ok("POST", "/judgments", {"assignment": key, "choice": "skip"}, status=201)
    assert skipped["machines"] == []
    key = program.ok("GET", "/next")["assignment"]
    many = program.ok("POST", "/judgments/bulk", {"judgments": [{"assignment": key, "choice": "tie"}]})
    assert [each["name"] for each in many["results"][0]["judgment"]["machines"]] == ["Machina"]
    taken = program.ok("POST", f"/judgments/{stored['id']}/withdraw")
    assert taken["machines"] == []
    User.objects.filter(pk=told.annotator.pk).update(show_machines=False)
    key = program.ok("GET", "/next")["assignment"]
    stored = program.ok("POST", "/judgments", {"assignment": key, "choice": "tie"}, status=201)
    assert stored["machines"] == []


def test_nothing_after_a_skip_and_of_machines_without_one_or_retired(told: ThreePeople) -> None:
    client = login(told.annotator)
    html = client.post(address(told), get_form(client, told) | {"skip": "1"}, headers=HTMX).content.decode()
    assert "Machina" not in html
    MachineJudgment.objects.update(choice="none", problem="it replied “Hm.”")
    html = client.post(address(told), get_form(client, told) | {"position": "2"}, headers=HTMX).content.decode()
    assert "Machina" not in html
    MachineJudgment.objects.update(choice="b", problem="")
    retire_machine(machine=told.project.machines.get())
    html = client.post(address(told), get_form(client, told) | {"position": "2"}, headers=HTMX).content.decode()
    assert "Machina" not in html


def off_for_project(people: ThreePeople) -> None:
    Project.objects.filter(pk=people.project.pk).update(show_machines=False)


def off_for_person(people: ThreePeople) -> None:
    fields = {"name": "Anna", "text_size": "m", "line_length": "normal", "break_minutes": "45", "show_guess": "on"}
    assert login(people.annotator).post(reverse("account"), fields).status_code == 302
    assert User.objects.get(pk=people.annotator.pk).show_machines is False


@pytest.mark.parametrize("off", [off_for_project, off_for_person])
def test_where_it_is_off_nothing_is_told_and_nothing_read(
    told: ThreePeople, off: Callable[[ThreePeople], None]
) -> None:
    off(told)
    client = login(told.annotator)
    form = get_form(client, told) | {"position": "2", "a_good": "clear", "rationale": "Shorter."}
    with CaptureQueriesContext(connection) as queries:
        html = client.post(address(told), form, headers=HTMX).content.decode()
    real = [each["sql"] for each in queries if "SAVEPOINT" not in each["sql"]]
    assert len(real) <= 8, real
    assert not [each for each in real if "machine" in each and "machinejudgment" in each]
    assert "Machina" not in html
    assert "Machina" not in client.get(reverse("history", args=[told.project.slug])).content.decode()


def test_where_it_is_on_a_submit_takes_one_statement_more(told: ThreePeople) -> None:
    client = login(told.annotator)
    form = get_form(client, told) | {"position": "2", "a_good": "clear", "rationale": "Shorter."}
    with CaptureQueriesContext(connection) as queries:
        client.post(address(told), form, headers=HTMX)
    real = [each["sql"] for each in queries if "SAVEPOINT" not in each["sql"]]
    assert len(real) <= 9, real
    assert len([each for each in real if "machinejudgment" in each]) == 1


def test_history_says_it_per_pair_by_one_statement(told: ThreePeople) -> None:
    client, where = login(told.annotator), reverse("history", args=[told.project.slug])
    first, _ = judged(told)
    judged(told, "skip")
    with CaptureQueriesContext(connection) as few:
        html = client.get(where).content.decode()
    assert html.count("machines said Machina") == 1
    assert f"machines said Machina: {letter({'assignment': str(first.key)})}" in html
    for _ in range(4):
        judged(told, "tie")
    with CaptureQueriesContext(connection) as many:
        html = client.get(where).content.decode()
    assert html.count("machines said Machina") == 5
    for queries in (few, many):
        assert len([each for each in queries if "machinejudgment" in each["sql"]]) == 1


def test_what_is_taken_back_or_open_again_is_told_no_more(told: ThreePeople) -> None:
    client, where = login(told.annotator), reverse("history", args=[told.project.slug])
    judged(told)
    assert undo_last(annotator=told.judge, client_key=uuid.uuid4())
    assert "Machina" not in client.get(where).content.decode()
    _, judgment = judged(told)
    assert "Machina" in client.get(where).content.decode()
    withdraw(annotator=told.judge, judgment_id=judgment.pk, client_key=uuid.uuid4())
    assert "Machina" not in client.get(where).content.decode()


def test_a_second_look_with_hindsight_comes_before_it(db: None) -> None:
    people = make_people(make_project(show_machines=True, hindsight_rate=1.0))
    make_pair(people.project)
    Response.objects.update(consequence="It worked in the end.")
    opine(machines(people.project, "Machina")[0])
    client = login(people.annotator)
    first = client.post(address(people), get_form(client, people) | {"position": "2"}, headers=HTMX).content.decode()
    assert "It worked in the end." in first
    history = reverse("history", args=[people.project.slug])
    assert "Machina" not in first + client.get(history).content.decode()
    second = client.post(address(people), get_form(client, people) | {"position": "1"}, headers=HTMX).content.decode()
    assert "Machina" in second
    assert client.get(history).content.decode().count("machines said Machina") == 2


def test_many_machines_are_counted(told: ThreePeople) -> None:
    for each, choice in zip(machines(told.project, "M2", "M3", "M4"), ("a", "b", "tie"), strict=True):
        opine(each, choice)
    client = login(told.annotator)
    form = get_form(client, told)
    html = client.post(address(told), form | {"position": "1"}, headers=HTMX).content.decode()
    a, b = letter(form), letter(form, "b")
    said = " · ".join([*sorted([f"2 × {a}", f"1 × {b}"], key=lambda each: each[-1]), "1 × about equal"])
    assert f"Of the last pair machines had said: {said}" in html


def test_only_of_what_the_annotator_has_judged_whoever_asks(told: ThreePeople) -> None:
    _, judgment = judged(told)
    other = make_annotator(told.project)
    stranger = Judgment(
        pk=judgment.pk, project=told.project, annotator=other, pair=judgment.pair, choice="a", client_key=uuid.uuid4()
    )
    assert opinions_after([judgment])
    assert opinions_after([stranger]) == {}
    unjudged = Pair.objects.filter(project=told.project).exclude(pk=judgment.pair_id).first()
    pretended = Judgment(pk=1, project=told.project, annotator=told.judge, pair=unjudged, choice="a")
    assert opinions_after([pretended]) == {}


def test_a_fault_keeps_nobody_from_the_next_pair(
    told: ThreePeople, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ATTUNE_OPINIONS = "personalization.machines.telling.not_there"
    client = login(told.annotator)
    with caplog.at_level(logging.ERROR):
        reply = client.post(address(told), get_form(client, told) | {"position": "1"}, headers=HTMX)
    assert reply.status_code == 200
    assert form_of(reply.content.decode())["assignment"]
    assert "what machines said could not be read" in caplog.text


def test_owners_turn_it_on_by_page_and_api(db: None) -> None:
    people = make_people(make_project(pairs=1))
    assert people.project.show_machines is False
    program = Program(people.owner, people.project)
    program.ok("PATCH", "", {"show_machines": True}, If_Match="*")
    assert Project.objects.get(pk=people.project.pk).show_machines is True
    setup = login(people.owner).get(reverse("setup", args=[people.project.slug])).content.decode()
    assert 'name="show_machines"' in setup
    assert "What machine annotators had said of the pair follows it." in setup
