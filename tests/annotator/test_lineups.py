"""Rankings and ratings: made, lent, recorded once, revised, withdrawn; what is wrong with them is said."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from annotator.errors import Conflict, Invalid, LeaseLost
from annotator.models import Annotator, Assignment, Draft, Judgment, Lineup, Pair
from annotator.services.answers import Answer, FlagRaised, Tag, answer_of
from annotator.services.asking import next_task
from annotator.services.content import NewResponse, add_prompt
from annotator.services.dealing_lineups import DealtLineup
from annotator.services.judging import record, revise, undo_last, withdraw
from annotator.services.lineups import make_lineups, restore_lineup, withdraw_lineup
from annotator.services.marks import Mark
from annotator.services.settings import settings_version, update_settings
from tests.factories import (
    make_annotator,
    make_lineup,
    make_pair,
    make_people,
    make_project,
    make_prompt,
    make_response,
    make_user,
)

RANKED = Answer(choice="ranked", ranking=(("2",), ("1", "3"), ("4",)))


def dealt_to(annotator: Annotator) -> DealtLineup:
    task = next_task(annotator=annotator)
    assert isinstance(task, DealtLineup)
    return task


def say(annotator: Annotator, task: DealtLineup, answer: Answer, key: uuid.UUID | None = None) -> Judgment:
    return record(annotator=annotator, assignment_key=task.key, client_key=key or uuid.uuid4(), answer=answer).judgment


@pytest.fixture
def judge(db: None) -> Annotator:
    return make_annotator(make_project(kinds=["ranking"], overlap=2))


@pytest.fixture
def rater(db: None) -> Annotator:
    return make_annotator(make_project(kinds=["rating"], scale="0-10", overlap=2))


def test_a_ranking_is_kept_in_the_lineups_own_order(judge: Annotator) -> None:
    lineup = make_lineup(judge.project)
    task = dealt_to(judge)
    assignment = Assignment.objects.get()
    assert [shown.response_id for shown in task.shown.values()] == [
        lineup.responses[number - 1] for number in assignment.shown
    ]
    tags = (Tag("clear", "2", good=True), Tag("warm", "4", good=False))
    text = task.shown["3"].text
    marks = (Mark("3", 0, 6, text[:6], good=True),)
    answer = Answer(
        choice="ranked", ranking=RANKED.ranking, text="Why not", tags=tags, marks=marks, flag=FlagRaised("broken", "3")
    )
    judgment = say(judge, task, answer)
    stored = Judgment.objects.get()
    own = dict(zip("1234", assignment.shown, strict=True))
    assert stored.ranking == [[own["2"]], sorted([own["1"], own["3"]]), [own["4"]]]
    assert (stored.kind, stored.choice, stored.shown, stored.pair) == ("ranking", "ranked", assignment.shown, None)
    assert {tag["side"] for tag in stored.rationale.tags} == {str(own["2"]), str(own["4"])}
    assert stored.spans.get().response_id == task.shown["3"].response_id
    assert stored.flag.about == str(own["3"])
    again = answer_of(stored)
    assert (again.ranking, again.tags, again.flag) == (answer.ranking, tags, answer.flag)
    assert judgment.pk == stored.pk
    lineup.refresh_from_db()
    assert lineup.taken == 1
    assert next_task(annotator=judge) is None


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (Answer(choice="ranked"), "ranking"),
        (Answer(choice="ranked", ranking=(("1",), ("2", "3"))), "ranking"),
        (Answer(choice="ranked", ranking=(("1", "1"), ("2", "3"), ("4",))), "ranking"),
        (Answer(choice="ranked", ranking=(("1", "2", "3", "4"), ())), "ranking"),
        (Answer(choice="ranked", ranking=(("1", "2", "3", "5"),)), "ranking"),
        (Answer(choice="left"), "choice"),
        (Answer(choice="rated", rating=3), "choice"),
        (Answer(choice="skip", ranking=RANKED.ranking), "ranking"),
        (Answer(choice="ranked", ranking=RANKED.ranking, tags=(Tag("clear", "left", good=True),)), "tags"),
        (Answer(choice="ranked", ranking=RANKED.ranking, flag=FlagRaised("broken", "left")), "flag"),
    ],
)
def test_what_is_wrong_with_a_ranking_is_said(judge: Annotator, answer: Answer, field: str) -> None:
    make_lineup(judge.project)
    with pytest.raises(Invalid) as caught:
        say(judge, dealt_to(judge), answer)
    assert field in caught.value.fields
    assert not Judgment.objects.exists()


def test_a_rating_keeps_its_scale(rater: Annotator) -> None:
    make_lineup(rater.project, 1)
    rater.project.critique_min = 5
    task = dealt_to(rater)
    for wrong in (Answer(choice="rated", rating=11, text="too high"), Answer(choice="rated", text="nothing")):
        with pytest.raises(Invalid, match="0 to 10"):
            say(rater, task, wrong)
    with pytest.raises(Invalid, match="at least 5 characters"):
        say(rater, task, Answer(choice="rated", rating=0, text=" no "))
    say(rater, task, Answer(choice="rated", rating=0, text="Says nothing."))
    stored = Judgment.objects.get()
    assert (stored.rating, stored.scale, stored.choice) == (0, "0-10", "rated")


def test_not_on_the_scale_needs_no_critique(rater: Annotator) -> None:
    make_lineup(rater.project, 1)
    rater.project.critique_min = 5
    stored = say(rater, dealt_to(rater), Answer(choice="na"))
    assert (stored.rating, stored.choice) == (None, "na")


def test_undo_and_revise_and_withdraw(judge: Annotator) -> None:
    lineup = make_lineup(judge.project)
    task = dealt_to(judge)
    first = say(judge, task, RANKED)
    again = undo_last(annotator=judge, client_key=uuid.uuid4())
    assert isinstance(again, DealtLineup)
    assert again.answer is not None
    assert again.answer.ranking == RANKED.ranking
    assert list(again.shown) == list(task.shown)
    say(judge, again, Answer(choice="ranked", ranking=(("1", "2", "3", "4"),)))
    current = Judgment.objects.get(current=True)
    assert (current.revision, current.ranking) == (3, [[1, 2, 3, 4]])
    revised = revise(annotator=judge, judgment_id=first.pk, client_key=uuid.uuid4(), answer=RANKED).judgment
    assert (revised.revision, revised.shown) == (4, first.shown)
    gone = withdraw(annotator=judge, judgment_id=first.pk, client_key=uuid.uuid4()).judgment
    assert gone.withdrawn
    assert gone.ranking == revised.ranking
    lineup.refresh_from_db()
    assert lineup.taken == 0


def test_a_withdrawn_lineup_says_so_and_the_draft_stays(judge: Annotator) -> None:
    lineup = make_lineup(judge.project)
    task = dealt_to(judge)
    owner = make_people(judge.project).owner
    Draft.objects.create(assignment_id=task.assignment_id, values={"rationale": "half a thought"})
    withdraw_lineup(lineup=lineup, by=owner)
    with pytest.raises(LeaseLost, match="withdrew"):
        say(judge, task, RANKED)
    assert Draft.objects.get().values == {"rationale": "half a thought"}
    assert next_task(annotator=judge) is None
    restore_lineup(lineup=lineup, by=owner)
    assert dealt_to(judge).lineup_id == lineup.pk


def test_a_lineup_is_never_over_its_cap(judge: Annotator) -> None:
    lineup = make_lineup(judge.project, cap=1)
    other = make_annotator(judge.project)
    task = dealt_to(judge)
    assert next_task(annotator=other) is None
    Assignment.objects.update(state=Assignment.State.EXPIRED)
    say(other, dealt_to(other), RANKED)
    with pytest.raises(LeaseLost, match="ran out"):
        say(judge, task, RANKED)
    with pytest.raises(IntegrityError), transaction.atomic():
        Lineup.objects.filter(pk=lineup.pk).update(taken=2)


def test_kinds_come_in_turn_and_a_reload_shows_the_same(db: None) -> None:
    project = make_project(kinds=["pair", "ranking", "rating"])
    annotator = make_annotator(project)
    for _ in range(12):
        make_pair(project)
        make_lineup(project)
        make_lineup(project, 1)
    held: list[int] = []
    kinds = []
    for _ in range(36):
        task = next_task(annotator=annotator, exclude=held)
        assert task
        held.append(task.number)
        kinds.append(task.kind.value)
    assert Counter(kinds) == {"pair": 12, "ranking": 12, "rating": 12}
    assert len(set(kinds[:25])) == 3  # in turn: there are 12 of each
    first = next_task(annotator=annotator)
    assert first
    assert first.number == held[0]
    assert next_task(annotator=annotator, exclude=held) is None


def test_quotas_count_every_kind(db: None) -> None:
    project = make_project(kinds=["ranking"], quota_total=1)
    annotator = make_annotator(project)
    make_lineup(project)
    make_lineup(project)
    say(annotator, dealt_to(annotator), RANKED)
    assert next_task(annotator=annotator) is None


def test_a_key_that_was_used_elsewhere(judge: Annotator) -> None:
    make_lineup(judge.project)
    make_lineup(judge.project)
    key, task = uuid.uuid4(), dealt_to(judge)
    say(judge, task, RANKED, key)
    assert say(judge, task, RANKED, key).pk == Judgment.objects.get().pk
    with pytest.raises(Conflict):
        say(judge, dealt_to(judge), RANKED, key)


@pytest.mark.django_db(transaction=True)
def test_the_same_key_fifty_times_at_once_is_one_judgment() -> None:
    judge = make_annotator(make_project(kinds=["ranking"]))
    make_lineup(judge.project)
    key, task = uuid.uuid4(), dealt_to(judge)

    def send(_n: int) -> int:
        try:
            return say(judge, task, RANKED, key).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        stored = set(pool.map(send, range(50)))
    assert stored == {Judgment.objects.get().pk}


@pytest.mark.django_db(transaction=True)
def test_many_at_once_and_no_lineup_is_over_its_cap() -> None:
    project = make_project(kinds=["ranking"], overlap=2, choosing="coverage")
    lineups = 26  # of 52 places 40 are needed: whoever has four has three more to choose from, whatever others took
    for _ in range(lineups):
        make_lineup(project)
    people = [make_annotator(project) for _ in range(8)]

    def work(annotator: Annotator) -> int:
        done = 0
        try:
            while done < 5 and (task := next_task(annotator=annotator)):
                assert isinstance(task, DealtLineup)
                say(annotator, task, RANKED)
                done += 1
            return done
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, people))
    assert done == [5] * 8
    taken = list(Lineup.objects.values_list("taken", flat=True))
    assert (max(taken), sum(taken)) == (2, 40)


def test_lineups_are_made_of_what_is_there(db: None) -> None:
    project = make_project(kinds=["ranking", "rating"], overlap=4)
    for count in (2, 3, 8, 9, 17):
        prompt = make_prompt(project)
        for _ in range(count):
            make_response(prompt)
    assert make_lineups(project=project) == 1 + 1 + 2 + 3 + 39
    sizes = sorted(len(each.responses) for each in Lineup.objects.filter(kind="ranking"))
    assert sizes == [3, 4, 5, 5, 6, 6, 8]
    assert set(Lineup.objects.values_list("cap", flat=True)) == {4}
    assert make_lineups(project=project) == 0


def test_new_prompts_and_a_new_kind_make_lineups(db: None) -> None:
    project = make_project(kinds=["ranking"])
    add_prompt(project=project, prompt="Tea?", responses=[NewResponse(each) for each in ("a", "b", "c")])
    assert Lineup.objects.get().kind == "ranking"
    owner = make_user()
    update_settings(
        project=project, by=owner, seen=settings_version(project), values={"kinds": ["pair", "ranking", "rating"]}
    )
    assert Lineup.objects.filter(kind="rating").count() == 3
    for wrong in ([], ["song"], ["rating", "pair"], ["pair", "pair"], "pair"):
        with pytest.raises(Invalid):
            update_settings(project=project, by=owner, seen=settings_version(project), values={"kinds": wrong})
        project.refresh_from_db()


def test_the_database_refuses_what_does_not_fit(db: None) -> None:
    project = make_project(kinds=["ranking"])
    lineup, other = make_lineup(project), make_prompt(project)
    strange = make_response(other)
    bad = {"project": project, "prompt": lineup.prompt, "kind": "ranking"}
    for responses in ([*lineup.responses[:2], strange.pk], [lineup.responses[0]] * 3, lineup.responses[2::-1]):
        with pytest.raises(IntegrityError), transaction.atomic():
            Lineup.objects.create(**bad, responses=responses)
    with pytest.raises(IntegrityError), transaction.atomic():
        Lineup.objects.create(**bad, responses=lineup.responses[:2])
    annotator, stranger = make_annotator(project), make_annotator(project)
    task = dealt_to(annotator)
    said = {"project": project, "kind": "ranking", "lineup": lineup, "choice": "ranked"}
    for wrong in (
        {"annotator": annotator, "ranking": [[1], [2, 3]]},
        {"annotator": annotator, "ranking": [[1, 2, 3, 4, 4]]},
        {
            "annotator": annotator,
            "ranking": [[1, 2, 3, 4]],
            "kind": "rating",
            "choice": "rated",
            "rating": 1,
            "scale": "1-5",
        },
        {"annotator": stranger, "ranking": [[1, 2, 3, 4]], "assignment_id": task.assignment_id},
        {"annotator": annotator, "ranking": [[1, 2, 3, 4]], "pair": Pair(pk=1)},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Judgment.objects.create(**said | wrong, client_key=uuid.uuid4())
