"""A second look once the consequences are shown, and replies that sit in the middle of a conversation."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.urls import reverse
from pytest_django import Settings

from annotator.errors import Invalid, LeaseLost
from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.dataset_rows import dataset_rows
from annotator.exports.options import ExportOptions, Tally
from annotator.exports.writing import export_project
from annotator.imports.running import run_import
from annotator.models import HINDSIGHT, Annotator, Assignment, Judgment, Lineup, Pair, Project, Response
from annotator.selectors import evidence
from annotator.selectors.hindsight import second_looks
from annotator.selectors.placed import checks_since, placed_of
from annotator.services.answers import Answer
from annotator.services.asking import next_task
from annotator.services.content import NewResponse, add_prompt
from annotator.services.dealing import Dealt, deal
from annotator.services.dealing_lineups import DealtLineup
from annotator.services.gold import set_gold_lineup
from annotator.services.hindsight import drawn
from annotator.services.judging import record, undo_last, withdraw
from tests.annotator.api import Program, refused
from tests.annotator.importing import lines, row, take
from tests.factories import ThreePeople, login, make_annotator, make_lineup, make_pair, make_people, make_project
from training.snapshots import take_snapshot, usable_judgments

pytestmark = pytest.mark.django_db

LEFT, RIGHT = Answer(choice="left", strength=2), Answer(choice="right", strength=1)


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


def with_consequences(project: Project, pairs: int = 2) -> None:
    for _ in range(pairs):
        pair = make_pair(project)
        for number, pk in enumerate((pair.response_a_id, pair.response_b_id)):
            Response.objects.filter(pk=pk).update(consequence=f"It {'worked' if number else 'failed'} in the end.")


@pytest.fixture
def annotator() -> Annotator:
    """Somebody with two pairs, whose judgments are all asked again."""
    project = make_project(hindsight_rate=1.0)
    with_consequences(project)
    return make_annotator(project)


def dealt_to(annotator: Annotator) -> Dealt:
    dealt = deal(annotator=annotator)
    assert dealt is not None
    return dealt


def say(annotator: Annotator, answer: Answer = LEFT, dealt: Dealt | None = None) -> Judgment:
    dealt = dealt or dealt_to(annotator)
    return record(annotator=annotator, assignment_key=dealt.key, client_key=uuid4(), answer=answer).judgment


# --- asking again ---------------------------------------------------------------------------------------------------


def test_the_same_pair_comes_again_on_the_same_sides(annotator: Annotator) -> None:
    first = dealt_to(annotator)
    said = say(annotator, LEFT, first)
    again = dealt_to(annotator)
    assert (again.pair_id, again.occasion, again.swapped) == (first.pair_id, HINDSIGHT, first.swapped)
    assert again.chosen_by == "hindsight"
    assert again.left.consequence and again.right.consequence
    assert Assignment.objects.get(pk=again.assignment_id).follows_id == said.pk
    second = say(annotator, RIGHT, again)
    assert (second.occasion, second.revision, second.choice) != (said.occasion, said.revision, said.choice)
    assert list(Judgment.objects.order_by("id").values_list("current", "withdrawn")) == [(True, False)] * 2
    assert dealt_to(annotator).pair_id != first.pair_id
    assert Pair.objects.get(pk=first.pair_id).taken == 1


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"hindsight_rate": 0.0}, LEFT),
        ({}, Answer(choice="skip")),
    ],
)
def test_nothing_is_asked_again_where_it_should_not_be(
    annotator: Annotator, change: dict[str, Any], answer: Answer
) -> None:
    Project.objects.update(**change)
    annotator.project.refresh_from_db()
    first = dealt_to(annotator)
    say(annotator, answer, first)
    assert dealt_to(annotator).pair_id != first.pair_id


def test_both_responses_need_a_consequence(annotator: Annotator) -> None:
    first = dealt_to(annotator)
    Response.objects.filter(pk=first.left.response_id).update(consequence="")
    say(annotator, LEFT, first)
    assert dealt_to(annotator).pair_id != first.pair_id


def test_the_draw_is_a_random_share_and_always_the_same() -> None:
    keys = [uuid4() for _ in range(4_000)]
    share = sum(drawn(key, 0.3) for key in keys) / len(keys)
    assert 0.26 < share < 0.34  # five standard errors
    assert [drawn(key, 0.3) for key in keys] == [drawn(UUID(str(key)), 0.3) for key in keys]
    assert not any(drawn(key, 0.0) for key in keys)
    assert all(drawn(key, 1.0) for key in keys)


def test_undo_takes_back_the_second_look_and_then_the_first(annotator: Annotator) -> None:
    first = say(annotator)
    second = say(annotator, RIGHT)
    back = undo_last(annotator=annotator, client_key=uuid4())
    assert back is not None
    assert (back.occasion, back.pair_id) == (HINDSIGHT, second.pair_id)
    back = undo_last(annotator=annotator, client_key=uuid4())
    assert back is not None
    assert (back.occasion, back.pair_id) == (0, first.pair_id)
    assert dealt_to(annotator).occasion == 0, "the second look waits for the first"
    said = say(annotator, RIGHT)
    again = dealt_to(annotator)
    assert again.occasion == HINDSIGHT
    assert Assignment.objects.get(pk=again.assignment_id).follows_id == said.pk
    say(annotator, LEFT, again)
    current = Judgment.objects.filter(current=True, withdrawn=False).order_by("occasion")
    assert [(each.occasion, each.revision) for each in current] == [(0, 3), (HINDSIGHT, 3)]


def test_a_second_look_whose_first_was_taken_back_is_refused(annotator: Annotator) -> None:
    first = say(annotator)
    again = dealt_to(annotator)
    withdraw(annotator=annotator, judgment_id=first.pk, client_key=uuid4())
    with pytest.raises(LeaseLost, match="taken back"):
        say(annotator, RIGHT, again)
    assert not Judgment.objects.filter(occasion=HINDSIGHT).exists()


def test_withdrawing_the_first_takes_the_open_second_look_away(annotator: Annotator) -> None:
    first = say(annotator)
    withdraw(annotator=annotator, judgment_id=first.pk, client_key=uuid4())
    assert dealt_to(annotator).occasion == 0


def test_a_pair_seen_with_hindsight_is_no_hidden_repeat(annotator: Annotator) -> None:
    project = annotator.project
    Project.objects.filter(pk=project.pk).update(repeat_rate=0.5, hindsight_rate=0.0)
    with_consequences(project, pairs=20)
    say(annotator)
    say(annotator, RIGHT)
    project.refresh_from_db()
    shown = Judgment.objects.get(occasion=HINDSIGHT).pair_id
    for _ in range(20):
        say(annotator)
    assert not Assignment.objects.filter(pair=shown, occasion=1).exists()


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_consequences_with_the_second_look_only() -> None:
    people = make_people(hindsight_rate=1.0)
    with_consequences(people.project)
    client = login(people.annotator)
    where = reverse("judge", args=[people.project.slug])
    page = client.get(where).content.decode()
    assert "in the end." not in page
    assert "data-waits" in page and "data-hindsight" not in page
    dealt = dealt_to(people.judge)
    sent = {"assignment": str(dealt.key), "client_key": str(uuid4()), "position": "2"}
    page = client.post(where, sent, follow=True).content.decode()
    assert page.count("in the end.") == 2
    assert "A second look" in page and "data-hindsight" in page and "style=" not in page
    history = client.get(reverse("history", args=[people.project.slug])).content.decode()
    assert "hindsight" not in history
    dealt = dealt_to(people.judge)
    client.post(where, {"assignment": str(dealt.key), "client_key": str(uuid4()), "position": "6"})
    history = client.get(reverse("history", args=[people.project.slug])).content.decode()
    assert history.count("with hindsight") == 1
    second = Judgment.objects.get(occasion=HINDSIGHT)
    edit = client.get(reverse("history_revise", args=[people.project.slug, second.pk])).content.decode()
    assert edit.count("in the end.") == 2


def test_a_page_that_holds_pairs_ahead_gets_the_second_look_first() -> None:
    people = make_people(hindsight_rate=1.0)
    with_consequences(people.project, pairs=30)
    client = login(people.annotator)
    where = reverse("judge", args=[people.project.slug])
    client.get(where)
    dealt = dealt_to(people.judge)
    held = client.get(where).content.decode().partition('data-held="')[2].partition('"')[0]
    sent = {"assignment": str(dealt.key), "client_key": str(uuid4()), "position": "2", "ahead": "some", "held": held}
    reply = client.post(where, sent, headers={"HX-Request": "true"}).content.decode()
    assert "data-hindsight" in reply and '<template id="ahead">' in reply


# --- what learns from it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "expected"),
    [("first", [(0, "a"), (0, "b")]), ("hindsight", [(0, "b"), (2, "b")]), ("both", [(0, "a"), (0, "b"), (2, "b")])],
)
def test_which_look_trains(annotator: Annotator, looks: str, expected: list[tuple[int, str]]) -> None:
    Project.objects.update(hindsight_trains=looks)
    Assignment.objects.all().delete()
    first = dealt_to(annotator)
    Assignment.objects.update(swapped=False)
    say(annotator, LEFT, first)
    say(annotator, RIGHT)
    Project.objects.update(hindsight_rate=0.0)
    annotator.project.refresh_from_db()
    next_pair = dealt_to(annotator)
    Assignment.objects.filter(pk=next_pair.assignment_id).update(swapped=False)
    say(annotator, RIGHT, next_pair)
    usable = usable_judgments(annotator.project).order_by("occasion", "choice")
    assert [(each.occasion, each.choice) for each in usable] == expected
    counted = {each.judgment_id for each in evidence.standing(annotator.pk) if each.counts}
    assert counted == {each.pk for each in usable}, "what adapts a person is what trains"
    superseding = [each for each in evidence.standing(annotator.pk) if each.supersedes]
    assert len(superseding) == (looks == "hindsight")
    assert take_snapshot(project=annotator.project).counts["judgments"] == len(expected)
    tally = Tally()
    trl = b"".join(export_project(annotator.project, ExportOptions(format="trl"), tally)).splitlines()
    assert len(trl) == len(expected)
    options = DatasetOptions(hindsight=looks)  # type: ignore[arg-type]
    rows = list(dataset_rows(annotator.project, options, Tally()))
    assert sorted(each["hindsight"] for each in rows) == sorted(occasion == 2 for occasion, _ in expected)


def test_both_are_exported_with_their_link_and_come_back(annotator: Annotator) -> None:
    first = say(annotator)
    say(annotator, RIGHT)
    data = b"".join(export_project(annotator.project, ExportOptions()))
    rows = [orjson.loads(line) for line in data.splitlines()]
    assert [each["occasion"] for each in rows] == [0, HINDSIGHT]
    assert (rows[0].get("hindsight_of"), rows[1]["hindsight_of"]) == (None, str(first.client_key))
    assert {rows[1]["consequence_a"], rows[1]["consequence_b"]} == {"It failed in the end.", "It worked in the end."}
    other = make_project()
    report = run_import(io.BytesIO(data), project=other)
    assert (report.written, report.new["judgments"]) == (True, 2)
    assert b"".join(export_project(other, ExportOptions())) == data
    table = b"".join(export_project(annotator.project, ExportOptions(type="csv")))
    third = make_project()
    assert run_import(io.BytesIO(table), project=third).new["judgments"] == 2
    assert b"".join(export_project(third, ExportOptions())) == data


def test_the_owner_sees_how_often_people_changed_their_minds() -> None:
    project = make_project(hindsight_rate=1.0, overlap=10)
    with_consequences(project, pairs=1)
    assert second_looks(project) is None
    for n in range(8):
        annotator = make_annotator(project)
        say(annotator, LEFT)
        say(annotator, RIGHT if n < 6 else LEFT)
    found = second_looks(project)
    assert found is not None
    assert (found.changed, found.of) == (6, 8)
    assert 0.40 < found.low < 0.42 and 0.92 < found.high < 0.94  # Wilson (1927): 0.409 … 0.929


def test_the_overview_says_so() -> None:
    people = make_people(hindsight_rate=1.0, overlap=10)
    with_consequences(people.project, pairs=1)
    owner = login(people.owner)
    where = reverse("project", args=[people.project.slug])
    assert "changed their minds" not in owner.get(where).content.decode()
    say(people.judge, LEFT)
    say(people.judge, RIGHT)
    page = owner.get(where).content.decode()
    assert "changed their minds" in page and "1 of 1" in page


# --- writing consequences -------------------------------------------------------------------------------------------


def test_owners_write_consequences_on_the_pairs_page() -> None:
    people = make_people(pairs=1)
    pair = Pair.objects.get(project=people.project)
    where = reverse("pair_consequences", args=[people.project.slug, pair.pk])
    said = {"consequence_a": "It boiled over.\r\nTwice.", "consequence_b": "Fine."}
    for person, status in ((people.stranger, 404), (people.annotator, 403), (people.owner, 302)):
        assert login(person).post(where, said).status_code == status
    pair.refresh_from_db()
    assert (pair.response_a.consequence, pair.response_b.consequence) == ("It boiled over.\nTwice.", "Fine.")
    assert people.project.audit.filter(what="consequences written").exists()


def test_through_the_api() -> None:
    people = make_people(pairs=1, hindsight_rate=1.0)
    pair = Pair.objects.get(project=people.project)
    owner = Program(people.owner, people.project)
    rows = [
        {"prompt": pair.prompt.ref, "response": each.ref, "text": f"Came of {each.pk}."}
        for each in (pair.response_a, pair.response_b)
    ]
    wrong = [*rows, {"prompt": pair.prompt.ref, "response": "nobody", "text": "x"}]
    refused(owner.send("POST", "/consequences", {"consequences": wrong}), 422, "consequences.2.response")
    pair.refresh_from_db()
    assert pair.response_a.consequence == ""
    owner.ok("POST", "/consequences", {"consequences": rows})
    program = Program(people.annotator, people.project)
    shown = program.ok("GET", "/next")
    assert (shown["hindsight"], shown["a"]["consequence"]) == (False, "")
    program.ok("POST", "/judgments", {"assignment": shown["assignment"], "choice": "a", "strength": 2}, status=201)
    again = program.ok("GET", "/next")
    assert again["hindsight"] is True
    assert again["a"]["text"] == shown["a"]["text"] and again["a"]["consequence"].startswith("Came of")
    program.ok("POST", "/judgments", {"assignment": again["assignment"], "choice": "b", "strength": 2}, status=201)
    listed = owner.ok("GET", "/judgments")["results"]
    assert [(each["hindsight"], each["repeat"]) for each in listed] == [(False, False), (True, False)]


def test_an_import_adds_consequences_to_what_is_there_and_never_changes_them() -> None:
    project = make_project()
    take(project, row(response_a_id="1", response_b_id="2"))
    more = row(response_a_id="1", response_b_id="2", consequence_a="It worked.", consequence_b="It did not.")
    assert take(project, more).duplicates == 1
    assert set(Response.objects.values_list("consequence", flat=True)) == {"It worked.", "It did not."}
    report = take(project, {**more, "consequence_a": "Something else."})
    assert [(problem.reason, problem.field) for problem in report.problems] == [("id_reused", "consequence_a")]
    assert set(Response.objects.values_list("consequence", flat=True)) == {"It worked.", "It did not."}


# --- replies in the middle ------------------------------------------------------------------------------------------

BEFORE = [{"role": "user", "content": "My cake sank."}, {"role": "assistant", "content": "Was it hot?"}]
ASKED = {"role": "user", "content": "Yes. What now?"}
WENT_ON = [{"role": "user", "content": "Thanks, that helped."}, {"role": "assistant", "content": "Good!"}]


def middle(**changed: Any) -> dict[str, Any]:
    said = {"prompt": [*BEFORE, ASKED], "responses": ["Let it cool.", "Start again."], "after": WENT_ON}
    return said | changed


def test_a_conversation_goes_on_after_either_reply() -> None:
    people = make_people()
    assert take(people.project, middle()).written
    assert [each.after for each in Response.objects.all()] == [WENT_ON, WENT_ON]
    page = login(people.annotator).get(reverse("judge", args=[people.project.slug])).content.decode()
    assert page.count("Thanks, that helped.") == 1, "what both share is shown once"
    assert page.count('<details class="after"') == 1
    assert "Was it hot?" in page


def test_each_reply_may_have_an_end_of_its_own() -> None:
    people = make_people()
    own = [{"role": "user", "content": "It is still flat."}]
    replies = [{"text": "Let it cool.", "after": own}, "Start again."]
    assert take(people.project, middle(responses=replies)).written
    page = login(people.annotator).get(reverse("judge", args=[people.project.slug])).content.decode()
    assert page.count('<details class="after"') == 2
    assert "It is still flat." in page and "Thanks, that helped." in page


def test_encoders_read_what_came_before_and_the_reply_alone() -> None:
    project = make_project()
    take(project, middle())
    alone = make_project()
    take(alone, middle(after=None))
    texts = [
        sorted(Response.objects.filter(prompt__project=each).values_list("prompt__text", "text", "digest"))
        for each in (project, alone)
    ]
    assert texts[0] == texts[1]
    assert texts[0][0][0] == "user: My cake sank.\n\nassistant: Was it hot?\n\nuser: Yes. What now?"


def test_the_end_comes_out_and_in_again() -> None:
    project = make_project()
    said = {
        **row(prompt=[*BEFORE, ASKED], response_a="Let it cool.", response_b="Start again."),
        "after": WENT_ON,
    }
    take(project, said)
    data = b"".join(export_project(project, ExportOptions()))
    out = orjson.loads(data)
    assert (out["after_a"], out["after_b"]) == (WENT_ON, WENT_ON)
    other = make_project()
    run_import(io.BytesIO(data), project=other)
    assert b"".join(export_project(other, ExportOptions())) == data
    (trl,) = map(orjson.loads, b"".join(export_project(project, ExportOptions(format="trl"))).splitlines())
    assert (trl["prompt"], trl["chosen_after"]) == ([*BEFORE, ASKED], WENT_ON)
    assert trl["chosen"] == [{"role": "assistant", "content": "Let it cool."}]


@pytest.mark.parametrize(
    "after",
    [
        "text",
        [{"role": "judge", "content": "x"}],
        [{"role": "user"}],
        [{"role": "user", "content": " "}],
        [{"role": "user", "content": "x\x00"}],
        [{"role": "user", "content": "x"}] * 501,
    ],
)
def test_a_wrong_end_is_refused(after: Any) -> None:
    project = make_project()
    report = run_import(io.BytesIO(lines(middle(after=after))), project=project)
    assert not report.written
    with pytest.raises(Invalid):
        add_prompt(project=project, prompt="Why?", responses=[NewResponse("Because.", after=after)])


def test_the_api_takes_ends_and_shows_them() -> None:
    people: ThreePeople = make_people()
    owner = Program(people.owner, people.project)
    body = {"prompt": [*BEFORE, ASKED], "responses": [{"text": "Cool it."}, {"text": "Again."}], "after": WENT_ON}
    made = owner.ok("POST", "/prompts", body, status=201)
    assert [each["after"] for each in made["responses"]] == [WENT_ON, WENT_ON]
    shown = Program(people.annotator, people.project).ok("GET", "/next")
    assert shown["a"]["after"] == shown["b"]["after"] == WENT_ON
    refused(owner.send("POST", "/prompts", body | {"after": [{"role": "x", "content": "y"}]}), 422, "after")


# --- rankings and ratings -------------------------------------------------------------------------------------------


def lineup_judge(size: int, **fields: Any) -> Annotator:
    """Somebody with two lineups of so many responses with consequences, whose judgments are all asked again."""
    project = make_project(kinds=["rating" if size == 1 else "ranking"], hindsight_rate=1.0, **fields)
    for _ in range(2):
        lineup = make_lineup(project, size)
        Response.objects.filter(pk__in=lineup.responses).update(consequence="It worked.")
    return make_annotator(project)


def ranked(order: str) -> Answer:
    return Answer(choice="ranked", ranking=tuple((place,) for place in order))  # type: ignore[misc]


def rated(rating: int) -> Answer:
    return Answer(choice="rated", rating=rating)


def next_of(annotator: Annotator) -> DealtLineup:
    task = next_task(annotator=annotator)
    assert isinstance(task, DealtLineup)
    return task


def say_next(annotator: Annotator, answer: Answer) -> Judgment:
    key = next_of(annotator).key
    return record(annotator=annotator, assignment_key=key, client_key=uuid4(), answer=answer).judgment


@pytest.mark.parametrize(("size", "one", "other"), [(3, ranked("123"), ranked("321")), (1, rated(4), rated(2))])
def test_a_lineup_comes_again_in_the_same_order(size: int, one: Answer, other: Answer, settings: Settings) -> None:
    settings.ATTUNE_LINEUP_CHOOSER = ""
    annotator = lineup_judge(size)
    first = next_of(annotator)
    said = say_next(annotator, one)
    again = next_of(annotator)
    assert (again.lineup_id, again.occasion, again.chosen_by) == (first.lineup_id, HINDSIGHT, "hindsight")
    assert list(again.shown.values()) == list(first.shown.values())
    assert Assignment.objects.get(pk=again.assignment_id).follows_id == said.pk
    second = say_next(annotator, other)
    assert (second.occasion, second.current, Judgment.objects.get(pk=said.pk).current) == (HINDSIGHT, True, True)
    assert Lineup.objects.get(pk=first.lineup_id).taken == 1
    assert next_of(annotator).lineup_id != first.lineup_id
    looks = second_looks(annotator.project)
    assert looks
    assert (looks.changed, looks.of) == (1, 1)
    undone = undo_last(annotator=annotator, client_key=uuid4())
    assert undone
    assert undone.occasion == HINDSIGHT
    undone = undo_last(annotator=annotator, client_key=uuid4())
    assert undone
    assert undone.occasion == 0
    assert Assignment.objects.get(pk=again.assignment_id).state == "released"
    say_next(annotator, one)
    assert next_of(annotator).occasion == HINDSIGHT, "the draw of the first lease holds"


def test_every_response_needs_a_consequence_and_a_skipped_one_is_not_asked_again() -> None:
    annotator = lineup_judge(3)
    first = next_of(annotator)
    Response.objects.filter(pk=next(iter(first.shown.values())).response_id).update(consequence="")
    say_next(annotator, ranked("123"))
    assert next_of(annotator).occasion == 0
    say_next(annotator, Answer(choice="skip"))
    assert next_task(annotator=annotator) is None


@pytest.mark.parametrize(
    ("trains", "first_counts", "second_counts"),
    [("first", True, False), ("hindsight", False, True), ("both", True, True)],
)
def test_which_look_at_an_order_trains(trains: str, first_counts: bool, second_counts: bool) -> None:
    annotator = lineup_judge(3, hindsight_trains=trains)
    first, second = say_next(annotator, ranked("123")), say_next(annotator, ranked("321"))
    expected = {judgment.pk for judgment, counts in ((first, first_counts), (second, second_counts)) if counts}
    said = evidence.standing(annotator.pk)
    assert {each.judgment_id for each in said if each.counts} == expected
    assert set(usable_judgments(annotator.project).values_list("pk", flat=True)) == expected
    counted = [each for each in said if each.counts and each.judgment_id == second.pk]
    assert len(counted) == (3 if second_counts else 0)


def test_a_rating_given_again_is_not_held_against_itself() -> None:
    annotator = lineup_judge(1, hindsight_trains="both")
    say_next(annotator, rated(4))
    say_next(annotator, rated(1))
    assert not [each for each in evidence.standing(annotator.pk) if each.counts]


def test_second_looks_at_orders_make_the_round_trip() -> None:
    annotator = lineup_judge(3)
    say_next(annotator, ranked("123"))
    say_next(annotator, ranked("213"))
    content = b"".join(export_project(annotator.project, ExportOptions(sides="shown"), Tally()))
    other = make_project()
    assert run_import(io.BytesIO(content), project=other).new["judgments"] == 2
    assert sorted(other.judgments.values_list("occasion", flat=True)) == [0, HINDSIGHT]
    assert b"".join(export_project(other, ExportOptions(sides="shown"), Tally())) == content


def test_figures_leave_second_looks_out() -> None:
    annotator = lineup_judge(1)
    say_next(annotator, rated(5))
    second = say_next(annotator, rated(1))
    assert second.occasion == HINDSIGHT
    set_gold_lineup(lineup=Lineup.objects.get(pk=second.lineup_id), rating=(5, 5), by=None)
    placed = placed_of(annotator.project)[False]
    assert [(each.first, each.rating) for _, each in placed] == [(True, 5)]
    assert [(counts, each.rating) for _, _, counts, each in checks_since(annotator.project, [])] == [(True, 5)]


def test_the_page_of_a_second_look_at_a_ranking(people: ThreePeople) -> None:
    Project.objects.filter(pk=people.project.pk).update(kinds=["ranking"], hindsight_rate=1.0)
    lineup = make_lineup(people.project, 3)
    Response.objects.filter(pk__in=lineup.responses).update(consequence="Nobody ate them.")
    client, where = login(people.annotator), reverse("judge", args=[people.project.slug])
    page = client.get(where).content.decode()
    assert "data-waits" in page
    assert "Nobody ate them" not in page
    people.judge.project.refresh_from_db()
    say_next(people.judge, ranked("123"))
    page = client.get(where).content.decode()
    assert page.count("Nobody ate them") == 3
    assert "You put these in order a moment ago." in page
    assert "data-hindsight" in page
