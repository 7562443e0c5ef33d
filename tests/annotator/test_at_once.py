"""Real transactions in real threads: what must hold when everything happens at the same time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import uuid4

import pytest
from django.db import connection, connections
from pytest_django import Settings

from annotator.errors import Conflict
from annotator.models import Annotator, Assignment, Judgment, Pair, Project
from annotator.services.answers import Answer
from annotator.services.asking import next_task
from annotator.services.dealing import deal
from annotator.services.gold import set_gold, set_gold_lineup
from annotator.services.judging import Recorded, record, undo_last
from tests.factories import make_annotator, make_lineup, make_pair, make_project, make_prompt, make_response

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
LEFT = Answer(choice="left", strength=1)


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = settings.ATTUNE_LINEUP_CHOOSER = ""


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run every job in a thread and connection of its own, all let go at the same moment."""
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T | Exception:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            gate.wait()
            return job()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_the_same_key_fifty_times_is_one_judgment() -> None:
    annotator = make_annotator(make_project(pairs=1))
    dealt = deal(annotator=annotator)
    assert dealt
    key = uuid4()

    def submit() -> Recorded:
        return record(annotator=annotator, assignment_key=dealt.key, client_key=key, answer=LEFT)

    results = at_once([submit] * 50)
    recorded = [result for result in results if isinstance(result, Recorded)]
    assert len(recorded) == 50, [result for result in results if isinstance(result, Exception)]
    assert {each.judgment.pk for each in recorded} == {Judgment.objects.get().pk}
    assert sum(not each.replayed for each in recorded) == 1


def test_two_tabs_submit_the_same_pair() -> None:
    annotator = make_annotator(make_project(pairs=1))
    dealt = deal(annotator=annotator)
    assert dealt

    def submit() -> Recorded:
        return record(annotator=annotator, assignment_key=dealt.key, client_key=uuid4(), answer=LEFT)

    results = at_once([submit] * 8)
    assert Counter(type(result) for result in results) == {Recorded: 1, Conflict: 7}
    assert Judgment.objects.count() == 1


def test_ten_undo_clicks_with_one_key() -> None:
    annotator = make_annotator(make_project(pairs=3))
    for _ in range(3):
        dealt = deal(annotator=annotator)
        assert dealt
        record(annotator=annotator, assignment_key=dealt.key, client_key=uuid4(), answer=LEFT)
    key = uuid4()
    results = at_once([lambda: undo_last(annotator=annotator, client_key=key)] * 10)
    assert {getattr(result, "assignment_id", result) for result in results} == {dealt and dealt.assignment_id}
    assert Judgment.objects.filter(withdrawn=True).count() == 1


def test_one_annotator_asking_many_times_gets_pairs_and_no_error() -> None:
    annotator = make_annotator(make_project(pairs=3, overlap=1))
    results = at_once([lambda: deal(annotator=annotator)] * 12)
    assert not [result for result in results if isinstance(result, Exception)]
    assert all(results)
    assert Counter(Assignment.objects.values_list("pair", flat=True)).most_common(1)[0][1] == 1


@pytest.mark.parametrize("kind", ["", "ranking"])
def test_every_window_has_something_to_qualify_with(kind: str) -> None:
    project = make_project(kinds=["pair", "ranking", "rating"], qualify_share=0.75)
    if not kind:
        set_gold(pair=make_pair(project), choice="a", qualifying=True, by=None)
        set_gold_lineup(lineup=make_lineup(project, 1), rating=(4, 5), qualifying=True, by=None)
    set_gold_lineup(lineup=make_lineup(project, 3), ranking=[[1], [2], [3]], qualifying=True, by=None)
    for _ in range(4):
        annotator = make_annotator(project)
        results = at_once([lambda who=annotator: next_task(annotator=who, kind=kind)] * 8)
        assert not [result for result in results if isinstance(result, Exception)]
        assert all(results)


def test_every_window_has_the_last_ranking() -> None:
    project = make_project(kinds=["ranking"], overlap=1)
    for _ in range(4):
        lineup, annotator = make_lineup(project, 3), make_annotator(project)
        results = at_once([lambda who=annotator: next_task(annotator=who)] * 8)
        assert {getattr(result, "lineup_id", result) for result in results} == {lineup.pk}
        assert Assignment.objects.filter(lineup=lineup).count() == 1


@pytest.mark.parametrize("policy", [Project.Choosing.COVERAGE, Project.Choosing.INFORMATION])
def test_32_annotators_on_200_pairs_with_cap_2(policy: str) -> None:
    """No pair gets over its cap, and nobody is sent away while there is a pair for them."""
    project = make_project(choosing=policy, overlap=2)
    prompt = make_prompt(project)
    responses = [make_response(prompt) for _ in range(21)]
    pairs = [(a, b) for i, a in enumerate(responses) for b in responses[i + 1 :]][:200]
    Pair.objects.bulk_create(Pair(project=project, prompt=prompt, response_a=a, response_b=b, cap=2) for a, b in pairs)
    annotators = [make_annotator(project) for _ in range(32)]

    def work(annotator: Annotator) -> Callable[[], int]:
        def judge_to_the_end() -> int:
            done = 0
            while dealt := deal(annotator=annotator):
                record(annotator=annotator, assignment_key=dealt.key, client_key=uuid4(), answer=LEFT)
                done += 1
            return done

        return judge_to_the_end

    results = at_once([work(annotator) for annotator in annotators])
    assert not [result for result in results if isinstance(result, Exception)]
    assert sum(result for result in results if isinstance(result, int)) == 400
    assert min(result for result in results if isinstance(result, int)) > 0
    assert set(Pair.objects.values_list("taken", flat=True)) == {2}
    per_pair = Counter(Judgment.objects.values_list("pair", flat=True))
    assert set(per_pair.values()) == {2}
    assert Judgment.objects.count() == Judgment.objects.values("annotator", "pair").distinct().count() == 400
