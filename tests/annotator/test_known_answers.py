"""Known answers of every kind: to qualify with, in files and out of them, and written by an owner."""

from __future__ import annotations

import io
import uuid
from typing import Any

import orjson
import pytest
from django.urls import reverse

from annotator.errors import Conflict, Forbidden
from annotator.exports.options import ExportOptions
from annotator.exports.writing import export_project
from annotator.imports.running import run_import
from annotator.models import Annotator, Judgment, Lineup, Pair, Project, QualityStep, Role
from annotator.models.content import NO_CAP
from annotator.selectors.pairs import GoldCounts, gold_counts
from annotator.services.answers import Answer
from annotator.services.asking import next_task
from annotator.services.gold import set_gold, set_gold_lineup
from annotator.services.judging import record, withdraw
from annotator.services.qualifying import settle, try_again
from annotator.services.slots import spread_slots
from annotator.services.standing import check_standing
from tests.annotator.api import Program, refused
from tests.annotator.importing import problem_of, take
from tests.factories import ThreePeople, login, make_annotator, make_lineup, make_pair, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture(autouse=True)
def _no_model(settings: Any) -> None:
    settings.ATTUNE_CHOOSER = settings.ATTUNE_LINEUP_CHOOSER = ""


# --- to qualify with ------------------------------------------------------------------------------------------------


@pytest.fixture
def strict() -> Project:
    """A pair, a ranking and a rating to qualify with; three in four must be right. One ordinary ranking besides."""
    project = make_project(kinds=["pair", "ranking", "rating"], qualify_share=0.75, quota_total=1)
    make_lineup(project, 3)
    set_gold(pair=make_pair(project), choice="a", qualifying=True, by=None)
    set_gold_lineup(lineup=make_lineup(project, 3), ranking=[[1], [2], [3]], qualifying=True, by=None)
    set_gold_lineup(lineup=make_lineup(project, 1), rating=(4, 5), qualifying=True, by=None)
    return project


def say(annotator: Annotator, *, order: str = "123", rating: int = 4, right: bool = True, kind: str = "") -> Judgment:
    """An answer to whatever comes next (of the ``kind``); ``order`` in the lineup's own numbers."""
    task = next_task(annotator=annotator, kind=kind)
    assert task is not None
    if task.kind == "pair":
        side: Any = "left" if task.swapped != right else "right"
        answer = Answer(choice=side, strength=2)
    elif task.kind == "rating":
        answer = Answer(choice="rated", rating=rating)
    else:
        own = sorted(each.response_id for each in task.shown.values())
        place = {own.index(each.response_id) + 1: side for side, each in task.shown.items()}
        answer = Answer(choice="ranked", ranking=tuple((place[int(number)],) for number in order))
    return record(annotator=annotator, assignment_key=task.key, client_key=uuid.uuid4(), answer=answer).judgment


def test_every_kind_is_asked_first_whatever_the_quota(strict: Project) -> None:
    annotator = make_annotator(strict)
    kinds = [say(annotator).kind for _ in range(3)]
    assert kinds == ["pair", "ranking", "rating"]
    assert not QualityStep.objects.exists()
    strict.quota_total = 4
    assert next_task(annotator=annotator)
    assert QualityStep.objects.get().figures == {"right": 3, "of": 3, "bar": 0.75}
    annotator.refresh_from_db()
    assert annotator.qualified


@pytest.mark.parametrize(
    ("said", "right", "passes"),
    [
        ({"order": "132"}, 2.67, True),  # two couples of three
        ({"order": "321"}, 2, False),
        ({"order": "132", "rating": 3}, 1.67, False),
    ],
)
def test_a_ranking_counts_in_part(strict: Project, said: dict[str, Any], right: float, passes: bool) -> None:
    annotator = make_annotator(strict)
    for _ in range(3):
        say(annotator, **said)
    strict.quota_total = None
    if passes:
        assert next_task(annotator=annotator)
    else:
        with pytest.raises(Forbidden, match="first answers"):
            next_task(annotator=annotator)
    annotator.refresh_from_db()
    assert annotator.qualified is passes
    assert QualityStep.objects.get().figures["right"] == right
    strict.memberships.create(user=(owner := make_user()), role=Role.OWNER)
    assert f"{right} of 3 right" in login(owner).get(reverse("quality", args=[strict.slug])).content.decode()
    assert not check_standing(project=strict), "what one qualifies with is not held against the bars as well"


def test_a_ranking_and_a_rating_that_are_taken_back_count_as_given(strict: Project) -> None:
    annotator = make_annotator(strict)
    for _ in range(3):
        said = say(annotator, order="321", rating=3)
        withdraw(annotator=annotator, judgment_id=said.pk, client_key=uuid.uuid4())
    with pytest.raises(Forbidden):
        next_task(annotator=annotator)
    assert QualityStep.objects.get().figures == {"right": 1, "of": 3, "bar": 0.75}


def test_own_judgments_say_what_counts_where_people_qualify(people: ThreePeople) -> None:
    client, address = login(people.annotator), reverse("history", args=[people.project.slug])
    assert "within 10 seconds" not in client.get(address).content.decode()
    Project.objects.update(qualify_share=0.5)
    assert "within 10 seconds" in client.get(address).content.decode()


def test_a_skipped_one_is_wrong_and_another_try_needs_another_question(strict: Project) -> None:
    annotator = make_annotator(strict)
    for _ in range(3):
        task = next_task(annotator=annotator)
        assert task
        skipped = Answer(choice="skip")
        record(annotator=annotator, assignment_key=task.key, client_key=uuid.uuid4(), answer=skipped)
    with pytest.raises(Forbidden):
        next_task(annotator=annotator)
    with pytest.raises(Conflict, match="Add others first"):
        try_again(annotator=annotator, by=make_user())
    another = make_lineup(strict, 1)
    set_gold_lineup(lineup=another, rating=(1, 2), qualifying=True, by=None)
    try_again(annotator=annotator, by=make_user())
    annotator.refresh_from_db()
    assert say(annotator, rating=2).lineup_id == another.pk
    annotator.project.quota_total = None
    assert next_task(annotator=annotator)
    assert annotator.qualified


def test_a_page_that_holds_all_of_them_waits_for_the_answers(strict: Project) -> None:
    annotator = make_annotator(strict)
    held: list[int] = []
    for _ in range(3):
        task = next_task(annotator=annotator, exclude=held)
        assert task
        assert task.chosen_by == "qualification"
        held.append(task.number)
    assert next_task(annotator=annotator, exclude=held) is None
    assert not QualityStep.objects.exists()


def test_only_what_the_project_asks_for_is_asked(strict: Project) -> None:
    assert gold_counts(strict) == GoldCounts(hidden=0, qualifying=3)
    Project.objects.filter(pk=strict.pk).update(kinds=["ranking"], quota_total=None)
    strict.refresh_from_db()
    assert gold_counts(strict) == GoldCounts(hidden=0, qualifying=1)
    failed = make_annotator(strict)
    with pytest.raises(Forbidden):
        [say(failed, order="321") for _ in range(2)]
    with pytest.raises(Conflict, match="Add others first"):
        try_again(annotator=failed, by=make_user())
    annotator = make_annotator(strict)
    assert [say(annotator).kind for _ in range(2)] == ["ranking", "ranking"]
    annotator.refresh_from_db()
    assert annotator.qualified


def test_what_is_asked_no_more_keeps_nobody_waiting(strict: Project) -> None:
    annotator = make_annotator(strict)
    say(annotator), say(annotator)
    held = next_task(annotator=annotator)
    assert held
    assert held.kind == "rating"
    Project.objects.filter(pk=strict.pk).update(kinds=["pair", "ranking"], quota_total=None)
    strict.refresh_from_db()
    assert next_task(annotator=annotator)
    assert annotator.qualified


def test_who_asks_for_one_kind_qualifies_with_the_others_first(strict: Project) -> None:
    strict.quota_total = None
    annotator = make_annotator(strict)
    with pytest.raises(Forbidden, match="another kind"):
        [say(annotator, kind="pair") for _ in range(2)]
    assert not QualityStep.objects.exists()
    say(annotator, kind="ranking")
    assert next_task(annotator=annotator)
    with pytest.raises(Forbidden, match="another kind"):
        next_task(annotator=annotator, kind="ranking")
    say(annotator, kind="rating")
    assert next_task(annotator=annotator, kind="ranking")
    assert QualityStep.objects.get().figures == {"right": 3, "of": 3, "bar": 0.75}


def test_who_is_right_just_often_enough_passes_and_stays() -> None:
    project = make_project(qualify_share=0.56, gold_bar=0.56, checks_needed=1)  # 0.56 × 25 is 14.000000000000002
    annotator = make_annotator(project)
    for qualifying in (True, False):
        for n in range(25):
            pair = make_pair(project)
            set_gold(pair=pair, choice="a", qualifying=qualifying, by=None)
            said: dict[str, Any] = {"kind": "pair", "choice": "a" if n < 14 else "b", "client_key": uuid.uuid4()}
            Judgment.objects.create(project=project, annotator=annotator, pair=pair, strength=2, **said)
    assert settle(annotator=annotator)
    assert not check_standing(project=project)


def test_it_is_not_mixed_in_and_not_told(strict: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotator.services.dealing_lineups.random.random", lambda: 0.0)
    Project.objects.filter(pk=strict.pk).update(gold_rate=0.5, kinds=["ranking"], quota_total=None)
    strict.refresh_from_db()
    task = next_task(annotator=make_annotator(strict, qualified=True))
    assert task
    assert task.chosen_by == "listed"


def test_a_new_set_up_leaves_known_answers_open_to_everybody(people: ThreePeople) -> None:
    lineup = make_lineup(people.project, 3)
    set_gold_lineup(lineup=lineup, ranking=[[1], [2, 3]], by=people.owner)
    people.project.overlap = 5
    spread_slots(people.project)
    lineup.refresh_from_db()
    assert lineup.cap == NO_CAP


# --- in files -------------------------------------------------------------------------------------------------------


def ask(responses: int, gold: Any, **more: Any) -> dict[str, Any]:
    listed = [{"id": f"r{number}", "text": f"Answer {number}."} for number in range(1, responses + 1)]
    return {"id": f"p{responses}", "prompt": f"Which of {responses}?", "responses": listed, "gold": gold} | more


def test_orders_and_ratings_come_with_their_lineup(project: Project) -> None:
    report = take(
        project,
        ask(3, [[2], [1, 3]]),
        ask(1, {"lowest": 6, "highest": 7, "scale": "1-7"}, qualifying=True),
        ask(2, "b"),
    )
    assert (report.new["known answers"], report.new["lineups"], report.new["pairs"]) == (3, 2, 1)
    assert "3 known answers" in report.summary()
    ranking, rating = Lineup.objects.order_by("kind")
    assert (ranking.gold_ranking, ranking.qualifying, ranking.cap, ranking.target) == (
        [[2], [1, 3]],
        False,
        NO_CAP,
        None,
    )
    assert (rating.gold_low, rating.gold_high, rating.gold_scale, rating.qualifying) == (6, 7, "1-7", True)
    again = take(project, ask(3, [[2], [3, 1]]), ask(1, {"lowest": 6, "highest": 7, "scale": "1-7"}))
    assert sum(again.new.values()) == 0


def test_an_order_is_in_the_files_numbers_and_finds_a_lineup_that_is_there(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(kinds=["ranking", "rating"])
    project.refresh_from_db()
    take(project, ask(3, None))
    lineup = Lineup.objects.get(kind="ranking")
    turned = ask(3, [[1], [2], [3]], qualifying=True)
    turned["responses"].reverse()
    report = take(project, turned)
    assert (report.new["known answers"], report.new["lineups"]) == (1, 0)
    lineup.refresh_from_db()
    assert (lineup.gold_ranking, lineup.qualifying, lineup.cap) == ([[3], [2], [1]], True, NO_CAP)
    take(project, ask(1, 5))
    rating = Lineup.objects.get(kind="rating", gold_low=5)
    assert (rating.gold_high, rating.gold_scale) == (5, project.scale)


@pytest.mark.parametrize(
    ("responses", "gold", "field"),
    [
        (3, "a", "gold"),
        (3, [[1], [2]], "gold"),
        (3, [[1, 2, 3]], "gold"),  # decides nothing
        (3, [[1], [], [2, 3]], "gold"),
        (3, [[1], [2], ["3"]], "gold"),
        (3, [1, 2, 3], "gold"),
        (9, [[number] for number in range(1, 10)], "gold"),
        (2, [[1], [2]], "gold"),
        (1, "a", "gold"),
        (1, {"lowest": 1, "highest": 5}, "gold"),  # leaves nothing out
        (1, {"lowest": 4, "highest": 2}, "gold"),
        (1, {"lowest": 4, "highest": 9}, "gold"),
        (1, {"lowest": 4}, "gold"),
        (1, {"lowest": 4, "highest": 5, "scale": "1-4"}, "gold.scale"),
        (1, {"lowest": True, "highest": 5}, "gold"),
    ],
)
def test_what_can_not_be_known_is_named_with_its_row(project: Project, responses: int, gold: Any, field: str) -> None:
    problem = problem_of(project, ask(2, "a", prompt="Another?", id="other"), ask(responses, gold))
    assert (problem.line, problem.field) == (2, field)
    assert problem.reason in ("wrong_value", "wrong_type")
    assert not Lineup.objects.exists()
    assert not Pair.objects.exists()


def test_a_file_overwrites_no_known_order(project: Project) -> None:
    take(project, ask(3, [[1], [2], [3]]), ask(1, 2))
    for row in (ask(3, [[1], [3], [2]]), ask(1, {"lowest": 2, "highest": 3})):
        assert problem_of(project, row).reason == "gold_differs"
    assert problem_of(make_project(), ask(3, [[1], [2], [3]]), ask(3, [[3], [2], [1]])).line == 2


def test_good_rows_are_kept_where_bad_ones_are_put_aside(project: Project, tmp_path: Any) -> None:
    rejected = tmp_path / "rejected.jsonl"
    report = take(project, ask(1, 9), ask(3, [[3], [2], [1]]), skip_bad=True, rejected=rejected)
    assert (report.written, report.bad_rows, report.new["known answers"]) == (True, 1, 1)
    assert orjson.loads(rejected.read_bytes())["row"]["gold"] == 9


def test_in_a_table(project: Project) -> None:
    data = (
        b"prompt,response_1,response_2,response_3,gold,qualifying\n"
        b'Which?,One.,Two.,Three.,"[[3],[1,2]]",yes\nRate it,One.,,,4,\nWho?,One.,Two.,,b,\n'
    )
    assert run_import(io.BytesIO(data), project=project).new["known answers"] == 3
    ranking, rating = Lineup.objects.order_by("kind")
    assert (ranking.gold_ranking, ranking.qualifying, rating.gold_low) == ([[3], [1, 2]], True, 4)


@pytest.mark.parametrize("file_type", ["jsonl", "csv", "zip"])
def test_they_make_the_round_trip(project: Project, file_type: Any) -> None:
    take(
        project,
        ask(3, [[2], [1, 3]], qualifying=True),
        ask(1, {"lowest": 6, "highest": 7, "scale": "1-7"}),
        ask(2, "both_bad", topic="eggs"),
        ask(4, None),
    )
    options = ExportOptions(format="known", type=file_type)
    content = b"".join(export_project(project, options))
    other = make_project()
    report = run_import(io.BytesIO(content), project=other)
    assert (report.problems, report.rows, report.new["known answers"]) == ([], 3, 3)
    if file_type == "jsonl":
        assert [row["gold"] for row in map(orjson.loads, content.splitlines())] == [
            "both_bad",
            [[2], [1, 3]],
            {"lowest": 6, "highest": 7, "scale": "1-7"},
        ]
    if file_type != "zip":
        assert b"".join(export_project(other, options)) == content


# --- over the API and on pages --------------------------------------------------------------------------------------


def test_over_the_api_many_at_once_or_one(people: ThreePeople) -> None:
    program = Program(people.owner, people.project)
    rows = [ask(3, [[2], [1, 3]]), ask(1, 4, qualifying=True), ask(2, "a")]
    assert program.ok("POST", "/bulk", {"rows": rows})["new"]["known answers"] == 3
    refused(program.send("POST", "/bulk", {"rows": [ask(3, [[2], [1]])]}), 422, "rows.0.gold")
    lineup = Lineup.objects.get(kind="ranking")
    said = program.ok("PUT", f"/lineups/{lineup.pk}/gold", {"ranking": [["r1"], ["r2"], ["r3"]], "qualifying": True})
    assert (said["gold"], said["qualifying"]) == (True, True)
    assert program.ok("PUT", f"/lineups/{lineup.pk}/gold", {})["qualifying"] is False


def test_one_to_qualify_with_on_its_page(people: ThreePeople) -> None:
    Project.objects.filter(pk=people.project.pk).update(kinds=["pair", "ranking"])
    lineup = make_lineup(people.project, 3)
    client = login(people.owner)
    where = reverse("lineup_gold", args=[people.project.slug, lineup.pk])
    places = {"place:1": "2", "place:2": "1", "place:3": "3", "qualifying": "on"}
    assert "Nobody who is asked" in client.post(where, places, follow=True).content.decode()
    lineup.refresh_from_db()
    assert (lineup.gold_ranking, lineup.qualifying) == ([[2], [1], [3]], True)
    page = client.get(reverse("lineup", args=[people.project.slug, lineup.pk])).content.decode()
    assert "qualification" in page
    assert 'name="qualifying" checked' in page
    listed = client.get(reverse("lineups", args=[people.project.slug]), {"kind": "known"}).content.decode()
    assert lineup.prompt.text in listed
    setup = client.get(reverse("setup", args=[people.project.slug])).content.decode()
    assert "1 more to qualify with" in setup
    client.post(where, {"act": "none"})
    lineup.refresh_from_db()
    assert (lineup.gold, lineup.qualifying) == (False, False)
    empty = client.get(reverse("lineups", args=[people.project.slug]), {"kind": "known"}).content.decode()
    assert "No answer is known of any" in empty


def test_the_export_is_for_owners_and_viewers(people: ThreePeople) -> None:
    take(people.project, ask(3, [[2], [1, 3]]))
    where = reverse("export", args=[people.project.slug])
    asked = {"format": "known", "type": "jsonl"}
    people.project.memberships.create(user=(viewer := make_user()), role=Role.VIEWER)
    for reader in (people.owner, viewer):
        assert b"".join(login(reader).post(where, asked).streaming_content).count(b"\n") == 1  # type: ignore[attr-defined]
    assert login(people.annotator).post(where, asked).status_code == 403, "a member, of another role"
    assert login(people.stranger).post(where, asked).status_code == 404
