"""Rankings and ratings as trustworthy as pairs: hidden repeats, known answers, pins, the last word, figures."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotator.errors import Conflict, Invalid
from annotator.models import (
    Adjudication,
    Annotator,
    AnnotatorQuality,
    Assignment,
    Judgment,
    Lineup,
    QualityReport,
    QualityStep,
)
from annotator.selectors.evidence import standing
from annotator.selectors.lineups import contested_lineups
from annotator.services import dealing, dealing_lineups
from annotator.services.adjudicating import adjudicate_lineup, ask_another
from annotator.services.answers import Answer
from annotator.services.asking import next_task
from annotator.services.assessing import assess, assess_due
from annotator.services.dealing_lineups import DealtLineup
from annotator.services.gold import set_gold_lineup
from annotator.services.judging import record, undo_last
from annotator.services.pinning import pin_lineup, unpin
from annotator.services.standing import check_standing
from tests.factories import ThreePeople, login, make_annotator, make_lineup, make_people, make_project, make_user

pytestmark = pytest.mark.django_db
IN_ORDER = Answer(choice="ranked", ranking=(("1",), ("2",), ("3",)))


@pytest.fixture(autouse=True)
def _no_model(settings: Any) -> None:
    settings.ATTUNE_LINEUP_CHOOSER = ""


def say(annotator: Annotator, answer: Answer = IN_ORDER) -> Judgment:
    task = next_task(annotator=annotator)
    assert task is not None
    return record(annotator=annotator, assignment_key=task.key, client_key=uuid.uuid4(), answer=answer).judgment


def stored(annotator: Annotator, lineup: Lineup, said: list[list[int]] | int, **fields: Any) -> Judgment:
    """As an import would write it, in the lineup's own order."""
    ranked = isinstance(said, list)
    about = {"choice": "ranked", "ranking": said} if ranked else {"choice": "rated", "rating": said, "scale": "1-5"}
    return Judgment.objects.create(
        project=annotator.project,
        annotator=annotator,
        lineup=lineup,
        kind=lineup.kind,
        client_key=uuid.uuid4(),
        **about | fields,
    )


@pytest.fixture
def judge() -> Annotator:
    return make_annotator(make_project(kinds=["ranking"], overlap=2))


# --- hidden repeats -------------------------------------------------------------------------------------------------


def test_a_ranking_comes_back_from_the_other_end(judge: Annotator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dealing_lineups, "REPEAT_AFTER", 2)
    for _ in range(4):
        make_lineup(judge.project, 3)
    first = say(judge)
    judge.project.repeat_rate = 1.0
    assert [say(judge).occasion for _ in range(2)] == [0, 0], "nothing lies far enough back"
    again = next_task(annotator=judge)
    assert isinstance(again, DealtLineup)
    assert (again.lineup_id, again.occasion) == (first.lineup_id, 1)
    assert [shown.response_id for shown in again.shown.values()] == [
        first.lineup.responses[n - 1]
        for n in reversed(first.shown)  # type: ignore[union-attr]
    ]
    second = say(judge)
    assert (second.occasion, second.revision, second.current) == (1, 1, True)
    assert Judgment.objects.get(pk=first.pk).current
    assert Lineup.objects.get(pk=first.lineup_id).taken == 1, "a repeat takes no slot"
    counted = {each.judgment_id for each in standing(judge.pk) if each.counts}
    assert counted == set(Judgment.objects.filter(occasion=0).values_list("pk", flat=True))
    undone = undo_last(annotator=judge, client_key=uuid.uuid4())
    assert undone is not None
    assert undone.occasion == 1
    assert Judgment.objects.filter(lineup=first.lineup_id, occasion=0, current=True, withdrawn=False).exists()


def test_a_rating_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dealing_lineups, "REPEAT_AFTER", 1)
    rater = make_annotator(make_project(kinds=["rating"]))
    for _ in range(3):
        make_lineup(rater.project, 1)
    first = say(rater, Answer(choice="rated", rating=4))
    say(rater, Answer(choice="rated", rating=2))
    rater.project.repeat_rate = 1.0
    task = next_task(annotator=rater)
    assert isinstance(task, DealtLineup)
    assert (task.lineup_id, task.occasion, task.chosen_by) == (first.lineup_id, 1, "repeat")


# --- known answers --------------------------------------------------------------------------------------------------


def test_a_known_order_is_mixed_in_at_its_rate(people: ThreePeople, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = make_annotator(make_project(kinds=["ranking"], overlap=1, gold_rate=0.5))
    gold, plain = make_lineup(judge.project, 3), make_lineup(judge.project, 3)
    set_gold_lineup(lineup=gold, ranking=[[2], [1, 3]], by=people.owner)
    monkeypatch.setattr(dealing.random, "random", lambda: 0.9)
    task = next_task(annotator=judge)
    assert isinstance(task, DealtLineup)
    assert (task.lineup_id, task.chosen_by) == (plain.pk, "listed")
    Assignment.objects.update(state="released")
    monkeypatch.setattr(dealing.random, "random", lambda: 0.1)
    task = next_task(annotator=judge)
    assert isinstance(task, DealtLineup)
    assert (task.lineup_id, task.chosen_by) == (gold.pk, "gold")
    gold.refresh_from_db()
    assert gold.cap > 1_000, "everybody may get it"
    set_gold_lineup(lineup=gold, by=people.owner)
    gold.refresh_from_db()
    assert (gold.gold, gold.cap, gold.target) == (False, 1, None)


@pytest.mark.parametrize(
    ("size", "known", "problem"),
    [
        (3, {"ranking": [[1, 2, 3]]}, "all are equal"),
        (3, {"ranking": [[1], [2]]}, "needs one place"),
        (3, {"ranking": [[1], [2], [3], []]}, "needs one place"),
        (3, {"rating": (1, 2)}, "has a known order"),
        (1, {"rating": (1, 5)}, "nothing is known"),
        (1, {"rating": (4, 2)}, "lower rating comes first"),
        (1, {"rating": (0, 2)}, "goes from 1 to 5"),
        (1, {"ranking": [[1]]}, "has a known order"),
    ],
)
def test_what_can_not_be_known_is_said(people: ThreePeople, size: int, known: dict[str, Any], problem: str) -> None:
    lineup = make_lineup(people.project, size)
    with pytest.raises(Invalid, match=problem):
        set_gold_lineup(lineup=lineup, by=people.owner, **known)
    assert not Lineup.objects.get().gold


def test_failed_checks_of_every_kind_count_together(people: ThreePeople) -> None:
    project = make_project(kinds=["ranking", "rating"], gold_bar=0.75, repeat_bar=0.75, checks_needed=3)
    rankings, ratings = [make_lineup(project, 3) for _ in range(2)], [make_lineup(project, 1) for _ in range(2)]
    for each in rankings:
        set_gold_lineup(lineup=each, ranking=[[1], [2], [3]], by=people.owner)
    set_gold_lineup(lineup=ratings[0], rating=(4, 5), by=people.owner)
    careful, careless = make_annotator(project), make_annotator(project)
    for each in rankings:
        stored(careful, each, [[1], [2], [3]])
        stored(careless, each, [[3], [2], [1]])
    stored(careful, ratings[0], 4)
    stored(careless, ratings[0], 1)
    for judge, second in ((careful, 4), (careless, 1)):  # a repeat each: too few for that bar
        stored(judge, ratings[1], 4)
        stored(judge, ratings[1], second, occasion=1)
    assert check_standing(project=project) == 1
    step = QualityStep.objects.get()
    assert step.annotator == careless
    assert step.figures == {"below": ["known answers"], "gold": [0.0, 3, 0.75], "repeats": [0.0, 1, 0.75]}
    assert check_standing(project=project) == 0, "they have had their consequence"


# --- pins and the last word -----------------------------------------------------------------------------------------


def test_a_pinned_ranking_comes_before_others(judge: Annotator, people: ThreePeople) -> None:
    make_lineup(judge.project, 3)
    pinned = make_lineup(judge.project, 3, cap=1)
    Lineup.objects.filter(pk=pinned.pk).update(taken=1)
    outcome = pin_lineup(lineup=pinned, annotators=[judge], by=people.owner)
    assert (outcome.new, outcome.had_it) == (1, [])
    assert pin_lineup(lineup=pinned, annotators=[judge], by=people.owner).had_it == [judge.ref]
    task = next_task(annotator=judge)
    assert isinstance(task, DealtLineup)
    assert (task.lineup_id, task.chosen_by) == (pinned.pk, "pinned")
    held = Assignment.objects.get(lineup=pinned)
    assert held.state == "open"
    with pytest.raises(Conflict, match="opened it already"):
        unpin(assignment=held, by=people.owner)
    say(judge)
    pinned.refresh_from_db()
    assert (pinned.taken, pinned.cap) == (2, 2)


def test_the_last_word_on_a_ranking_has_revisions(people: ThreePeople) -> None:
    lineup = make_lineup(people.project, 3)
    adjudicate_lineup(lineup=lineup, ranking=[[2], [3], [1]], note="By the manual.", by=people.owner)
    adjudicate_lineup(lineup=lineup, ranking=[[2], [1, 3]], by=people.owner)
    adjudicate_lineup(lineup=lineup, by=people.owner)
    rows = list(Adjudication.objects.order_by("revision").values_list("choice", "ranking", "current"))
    assert rows == [("ranked", [[2], [3], [1]], False), ("ranked", [[2], [1, 3]], False), ("", None, True)]
    with pytest.raises(Invalid, match="no decision"):
        adjudicate_lineup(lineup=lineup, by=people.owner)
    with pytest.raises(Conflict, match="One more person is asked already"):
        ask_another(of=lineup, by=people.owner)
    with pytest.raises(Invalid, match="goes from 1 to 5"):
        adjudicate_lineup(lineup=make_lineup(people.project, 1), rating=9, by=people.owner)


# --- figures --------------------------------------------------------------------------------------------------------


def test_the_report_counts_rankings_and_ratings(people: ThreePeople) -> None:
    project = make_project(kinds=["ranking", "rating"])
    judges = [make_annotator(project) for _ in range(5)]
    bots = [make_annotator(project, simulated=True) for _ in range(2)]
    rankings, ratings = [make_lineup(project, 3) for _ in range(12)], [make_lineup(project, 1) for _ in range(12)]
    set_gold_lineup(lineup=rankings[0], ranking=[[1], [2], [3]], by=people.owner)
    for n, (ranking, rating) in enumerate(zip(rankings, ratings, strict=True)):
        for judge in judges:
            contrary = judge == judges[4]
            order = [[3], [2], [1]] if contrary else [[1], [2], [3]]
            stored(judge, ranking, order, seconds=30, source="page", shown=[3, 2, 1])
            stored(judge, rating, 1 + (n + 2 * contrary) % 5, seconds=8)
    for bot in bots:
        for ranking in rankings:
            stored(bot, ranking, [[2], [3], [1]], source="simulation")
    stored(judges[0], rankings[1], [[1], [3], [2]], occasion=1)
    assert assess(project=project)
    report = QualityReport.objects.get(project=project).body
    humans, programs = report["people"], report["simulated"]
    assert (humans["judgments"], programs["judgments"]) == (120, 24)
    assert 0 < humans["ranking"]["alpha"]["estimate"] < 1
    assert humans["ranking"]["units"] == 36
    assert programs["ranking"]["alpha"]["estimate"] == 1
    assert [row["scale"] for row in humans["ratings"]] == ["1-5"]
    assert humans["gold"]["of"] == 5
    assert humans["gold"]["estimate"] == pytest.approx(4 / 5)
    assert humans["upper"]["estimate"] == pytest.approx(1 / 5), "four of five prefer what stands below"
    figures = dict(AnnotatorQuality.objects.values_list("annotator", "figures"))
    steady, contrary = figures[judges[0].pk], figures[judges[4].pk]
    assert steady["ranked"]["estimate"] == pytest.approx(3 / 4)
    assert contrary["ranked"]["estimate"] == 0
    assert (steady["same"]["of"], steady["same"]["estimate"]) == (1, pytest.approx(2 / 3))
    assert steady["minutes"] == pytest.approx((12 * 30 + 12 * 8) / 60)
    assert AnnotatorQuality.objects.get(annotator=judges[4]).verdict == "contrary"
    assert assess_due() == 0, "nothing has changed"
    assert QualityReport.objects.get(project=project).contested == []
    torn = make_lineup(project, 3)
    for judge, order in zip(judges, ([1, 2, 3], [3, 2, 1], [2, 3, 1], [3, 1, 2]), strict=False):
        stored(judge, torn, [[number] for number in order])
    assert assess(project=project)
    assert list(contested_lineups(project)) == [torn]
    adjudicate_lineup(lineup=torn, ranking=[[2], [1, 3]], by=people.owner)
    assert not contested_lineups(project)


# --- pages ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def owned() -> ThreePeople:
    return make_people(make_project(kinds=["ranking", "rating"]))


def address(name: str, lineup: Lineup, *more: int) -> str:
    return reverse(name, args=[lineup.project.slug, lineup.pk, *more])


def test_an_owner_writes_a_known_order_and_decides(owned: ThreePeople) -> None:
    client, lineup = login(owned.owner), make_lineup(owned.project, 3)
    places = {"place:1": "2", "place:2": "1", "place:3": "2"}
    page = client.post(address("lineup_gold", lineup), places, follow=True).content.decode()
    assert "Nobody who is asked can tell" in page
    assert "2 › 1 = 3" in page
    page = client.post(address("lineup_gold", lineup), {"place:1": "1"}, follow=True).content.decode()
    assert "Give every response a place first" in page
    page = client.post(address("lineup_decide", lineup), places | {"note": "So it is."}, follow=True).content.decode()
    assert "Decided." in page and "So it is." in page
    page = client.post(address("lineup_decide", lineup), {"act": "back"}, follow=True).content.decode()
    assert "taken back" in page
    page = client.post(address("lineup_gold", lineup), {"act": "none"}, follow=True).content.decode()
    assert "like any other" in page
    rated = make_lineup(owned.project, 1)
    page = client.post(address("lineup_gold", rated), {"low": "4", "high": "5"}, follow=True).content.decode()
    assert "4–5" in page
    client.post(address("lineup_decide", rated), {"rating": "4"})
    assert Adjudication.objects.get(lineup=rated, current=True).rating == 4


def test_an_owner_pins_a_ranking_and_takes_it_back(owned: ThreePeople) -> None:
    client, lineup = login(owned.owner), make_lineup(owned.project, 3)
    page = client.post(address("lineup_pin", lineup), {"people": owned.judge.ref}, follow=True).content.decode()
    assert "1 person gets it next" in page
    held = Assignment.objects.get()
    page = client.post(address("lineup_unpin", lineup, held.pk), follow=True).content.decode()
    assert "Taken back" in page
    stranger: Client = login(make_user())
    assert stranger.post(address("lineup_pin", lineup), {"people": owned.judge.ref}).status_code == 404
