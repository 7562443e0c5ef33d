from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from annotator.errors import Forbidden
from annotator.models import Annotator, Assignment, Judgment, Pair, Project
from annotator.selectors.progress import GuessRecord, Progress, progress_of
from annotator.services.answers import Answer
from annotator.services.choosing import ChoiceRequest, Chosen
from annotator.services.dealing import REPEAT_AFTER, Dealt, deal
from annotator.services.judging import record
from annotator.services.leases import expire_leases, release
from annotator.tasks import sweep
from tests.factories import make_annotator, make_pair, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


def dealt_to(annotator: Annotator, **options: Any) -> Dealt:
    dealt = deal(annotator=annotator, **options)
    assert dealt is not None
    return dealt


def judge_one(annotator: Annotator, **said: Any) -> Judgment:
    answer = Answer(**{"choice": "left", "strength": 1} | said)
    key = dealt_to(annotator).key
    return record(annotator=annotator, assignment_key=key, client_key=uuid4(), answer=answer).judgment


def taken(pair_id: int) -> int:
    return Pair.objects.get(pk=pair_id).taken


def test_what_is_shown() -> None:
    project = make_project()
    pair = make_pair(project, a="First.", b="Second.")
    dealt = dealt_to(make_annotator(project))
    assert (dealt.pair_id, dealt.prompt_ref, dealt.messages) == (pair.pk, pair.prompt.ref, pair.prompt.messages)
    assert {dealt.left.text, dealt.right.text} == {"First.", "Second."}
    left = pair.response_b if dealt.swapped else pair.response_a
    assert (dealt.left.text, dealt.left.response_id, dealt.left.digest) == (left.text, left.pk, left.digest)
    assert timedelta(minutes=29) < dealt.lease_until - timezone.now() <= timedelta(minutes=30)
    assert dealt.answer is None
    assert dealt.progress == Progress(today=0, total=0, goal=40, guesses=GuessRecord(0, 0))
    assert taken(pair.pk) == 1


def test_a_reload_shows_the_same_pair_on_the_same_sides() -> None:
    annotator = make_annotator(make_project(pairs=5))
    first = dealt_to(annotator)
    assert dealt_to(annotator) == first
    assert Assignment.objects.count() == 1


def test_progress_comes_with_the_pair() -> None:
    annotator = make_annotator(make_project(pairs=4))
    judge_one(annotator)
    judge_one(annotator, choice="skip", strength=None)
    shown = dealt_to(annotator)
    Assignment.objects.filter(pk=shown.assignment_id).update(guess=0.2 if shown.swapped else 0.8)
    judge_one(annotator)  # for the left, as guessed
    dealt = dealt_to(annotator)
    assert dealt.progress == progress_of(annotator)
    assert dealt.progress == Progress(today=2, total=2, goal=40, guesses=GuessRecord(right=1, of=1))
    assert dealt_to(annotator).progress == dealt.progress


def test_a_lease_half_over_is_renewed_by_a_reload() -> None:
    annotator = make_annotator(make_project(pairs=1))
    key = dealt_to(annotator).key
    Assignment.objects.update(lease_until=timezone.now() + timedelta(minutes=10))
    again = dealt_to(annotator)
    assert again.key == key
    assert again.lease_until > timezone.now() + timedelta(minutes=29)
    assert Assignment.objects.get().lease_until == again.lease_until


def test_a_page_may_ask_for_another_one() -> None:
    annotator = make_annotator(make_project(pairs=2))
    first = dealt_to(annotator)
    second = dealt_to(annotator, exclude=[first.pair_id])
    assert second.pair_id != first.pair_id
    assert deal(annotator=annotator, exclude=[first.pair_id, second.pair_id]) is None


def test_never_more_people_than_the_cap() -> None:
    project = make_project(pairs=1, overlap=2)
    assert dealt_to(make_annotator(project))
    assert dealt_to(make_annotator(project))
    assert deal(annotator=make_annotator(project)) is None
    with pytest.raises(IntegrityError, match="pair_taken_within_cap"):
        Assignment.objects.create(
            project=project, pair=Pair.objects.get(), annotator=make_annotator(project), lease_until=timezone.now()
        )


def test_nothing_twice_to_one_annotator() -> None:
    project = make_project(pairs=4, overlap=9)
    annotator = make_annotator(project)
    judged, skipped, imported, withdrawn = Pair.objects.order_by("id")
    withdrawn.withdrawn_at = timezone.now()
    withdrawn.save()
    Judgment.objects.create(
        project=project, annotator=annotator, pair=imported, client_key=uuid4(), choice="a", source="import"
    )
    assert judge_one(annotator).pair == judged
    assert judge_one(annotator, choice="skip", strength=None).pair == skipped
    assert deal(annotator=annotator) is None
    assert dealt_to(make_annotator(project)).pair_id == judged.pk


def test_only_pairs_of_the_project() -> None:
    make_project(pairs=3)
    assert deal(annotator=make_annotator(make_project())) is None


def test_paused_and_archived() -> None:
    annotator = make_annotator(make_project(pairs=1), paused_at=timezone.now())
    with pytest.raises(Forbidden, match="paused"):
        deal(annotator=annotator)
    annotator = make_annotator(make_project(pairs=1, archived_at=timezone.now()))
    with pytest.raises(Forbidden, match="archived"):
        deal(annotator=annotator)


def test_in_the_order_of_the_list() -> None:
    annotator = make_annotator(make_project(pairs=4))
    order = [judge_one(annotator).pair_id for _ in range(4)]
    assert order == sorted(order)


def test_least_judged_first() -> None:
    project = make_project(pairs=3, choosing=Project.Choosing.COVERAGE)
    once, never, twice = Pair.objects.order_by("id")
    for pair, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            Assignment.objects.create(
                project=project, pair=pair, annotator=make_annotator(project), lease_until=timezone.now()
            )
    annotator = make_annotator(project)
    assert [judge_one(annotator).pair_id for _ in range(3)] == [never.pk, once.pk, twice.pk]


@pytest.mark.parametrize("policy", [Project.Choosing.RANDOM, Project.Choosing.INFORMATION])
def test_at_random_everything_comes_once(policy: str) -> None:
    project = make_project(pairs=6, choosing=policy)
    first_ones = set()
    for _ in range(8):
        annotator = make_annotator(project)
        Pair.objects.update(cap=99)
        order = [judge_one(annotator).pair_id for _ in range(6)]
        assert len(set(order)) == 6
        first_ones.add(order[0])
    assert len(first_ones) > 1  # by chance alone wrong once in 6^7


def chooser(request: ChoiceRequest) -> list[Chosen]:
    last = max(candidate.pair_id for candidate in request.candidates)
    return [Chosen(last, "information", 0.25, "hybrid@3")]


def broken_chooser(request: ChoiceRequest) -> list[Chosen]:
    raise ValueError("no model")


def test_the_chooser_decides_and_its_guess_is_kept(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = "tests.annotator.test_dealing.chooser"
    annotator = make_annotator(make_project(pairs=3))
    dealt = dealt_to(annotator)
    assert (dealt.pair_id, dealt.chosen_by) == (Pair.objects.latest("id").pk, "information")
    assert (dealt.guess, dealt.guess_version) == (0.25, "hybrid@3")
    assert judge_one(annotator).guess == 0.25


def test_a_broken_chooser_keeps_nobody_waiting(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = "tests.annotator.test_dealing.broken_chooser"
    dealt = dealt_to(make_annotator(make_project(pairs=3)))
    assert (dealt.chosen_by, dealt.guess) == ("coverage", None)


def test_sides_are_counterbalanced_per_pair() -> None:
    project = make_project(pairs=8, overlap=4)
    for _ in range(4):
        annotator = make_annotator(project)
        for _ in range(8):
            judge_one(annotator)
    for pair in Pair.objects.all():
        assert pair.assignments.filter(swapped=True).count() == 2


def test_sides_are_balanced_per_annotator() -> None:
    annotator = make_annotator(make_project(pairs=60))
    swapped = sum(judge_one(annotator).swapped for _ in range(60))
    assert 20 <= swapped <= 40  # a fair coin would leave this once in 100 runs, the biased one practically never


def chance(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    monkeypatch.setattr("annotator.services.dealing.random.random", lambda: value)


def test_a_hidden_repeat_swaps_the_sides_and_takes_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(pairs=REPEAT_AFTER + 3, repeat_rate=0.2, overlap=1)
    annotator = make_annotator(project)
    chance(monkeypatch, 0.9)
    first, *_ = [judge_one(annotator) for _ in range(REPEAT_AFTER + 1)]
    chance(monkeypatch, 0.1)
    repeat = judge_one(annotator)
    assert repeat.pair_id == first.pair_id
    assert repeat.swapped is not first.swapped
    assert (repeat.occasion, repeat.revision) == (1, 1)
    assert repeat.assignment is not None
    assert repeat.assignment.chosen_by == "repeat"
    assert taken(first.pair.pk) == 1  # type: ignore[union-attr]
    assert judge_one(annotator).pair_id not in (first.pair_id, None)  # never a second repeat of the same pair


def test_no_repeat_before_a_while_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    annotator = make_annotator(make_project(pairs=REPEAT_AFTER + 1, repeat_rate=0.5))
    chance(monkeypatch, 0.0)
    assert [judge_one(annotator).occasion for _ in range(REPEAT_AFTER + 1)] == [0] * (REPEAT_AFTER + 1)


def test_gold_pairs_come_at_their_rate_only(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(pairs=2, gold_rate=0.2)
    gold = make_pair(project, gold_choice="a")
    annotator = make_annotator(project)
    chance(monkeypatch, 0.9)
    assert judge_one(annotator).pair != gold
    chance(monkeypatch, 0.1)
    dealt = dealt_to(annotator)
    assert (dealt.pair_id, dealt.chosen_by) == (gold.pk, "gold")


def test_a_lease_given_back_frees_its_slot() -> None:
    project = make_project(pairs=1, overlap=1)
    annotator, other = make_annotator(project), make_annotator(project)
    dealt = dealt_to(annotator)
    assert not release(annotator=other, assignment_key=dealt.key)
    assert release(annotator=annotator, assignment_key=dealt.key)
    assert not release(annotator=annotator, assignment_key=dealt.key)
    assert dealt_to(other).pair_id == dealt.pair_id


def test_leases_expire_when_their_time_is_over_and_not_before() -> None:
    project = make_project(pairs=2, overlap=1)
    late, early = make_annotator(project), make_annotator(project)
    dealt, kept = dealt_to(late), dealt_to(early)
    assert expire_leases() == 0
    Assignment.objects.filter(pk=dealt.assignment_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    states = dict(Assignment.objects.values_list("pk", "state"))
    assert states == {dealt.assignment_id: "expired", kept.assignment_id: "open"}
    assert (taken(dealt.pair_id), taken(kept.pair_id)) == (0, 1)


def test_two_statements_for_the_next_pair() -> None:
    annotator = Annotator.objects.select_related("project").get(pk=make_annotator(make_project(pairs=9)).pk)
    with CaptureQueriesContext(connection) as queries:
        dealt_to(annotator)
    real = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(real) == 2, real
