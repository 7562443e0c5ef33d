"""Who is given which pair: targets and caps, quotas, qualification, pins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from annotator.errors import Conflict, Forbidden, Invalid
from annotator.models import Annotator, Assignment, AuditEntry, Judgment, Pair, Project, QualityStep
from annotator.services.answers import Answer
from annotator.services.content import NewResponse, add_prompt
from annotator.services.dealing import Dealt, deal
from annotator.services.gold import set_gold
from annotator.services.judging import record, revise, undo_last, withdraw
from annotator.services.leases import expire_leases, release
from annotator.services.members import pause_annotator
from annotator.services.pinning import pin_pair, unpin
from annotator.services.qualifying import qualify, try_again
from annotator.services.settings import spread_overlap
from annotator.services.slots import slots_of
from tests.factories import make_annotator, make_pair, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


def next_of(annotator: Annotator) -> Dealt:
    dealt = deal(annotator=annotator)
    assert dealt is not None
    return dealt


def judge(annotator: Annotator, choice: str = "a") -> Judgment:
    """Judge the next pair, for its a or b."""
    dealt = next_of(annotator)
    side = "tie" if choice == "tie" else "left" if (choice == "a") != dealt.swapped else "right"
    answer = Answer(choice=side if choice != "skip" else "skip")  # type: ignore[arg-type]
    return record(annotator=annotator, assignment_key=dealt.key, client_key=uuid4(), answer=answer).judgment


# --- target and cap -------------------------------------------------------------------------------------------------


def test_a_random_share_of_the_pairs_is_shared() -> None:
    project = make_project(overlap=3, shared_share=0.25)
    prompt = add_prompt(project=project, prompt="?", responses=[NewResponse(f"Answer {n}.") for n in range(30)])
    caps = list(Pair.objects.filter(prompt=prompt).values_list("cap", flat=True))
    assert set(caps) == {1, 3}
    assert 0.15 < caps.count(3) / len(caps) < 0.36  # 435 pairs, five standard deviations
    places = Pair.objects.filter(cap=3).order_by("-shuffle").values_list("shuffle", flat=True)
    assert places[0] < 0.25 * 2**31 <= Pair.objects.filter(cap=1).earliest("shuffle").shuffle


def test_target_and_cap_of_a_pair() -> None:
    project = make_project(overlap=2, overlap_cap=5, shared_share=0.5)
    assert slots_of(project, 0) == (2, 5)
    assert slots_of(project, 2**31 - 1) == (1, 5)
    project.overlap_cap = None
    assert slots_of(project, 0) == (None, 2)
    assert slots_of(project, 2**31 - 1) == (None, 1)


def test_pairs_with_enough_come_only_when_all_have_enough() -> None:
    project = make_project(overlap=1, overlap_cap=2)
    first, second = make_pair(project, target=1, cap=2), make_pair(project, target=1, cap=2)
    one, other, third = (make_annotator(project) for _ in range(3))
    assert judge(one).pair == first
    assert judge(other).pair == second  # the first has enough
    assert judge(other).pair == first
    assert [judge(third).pair, deal(annotator=third)] == [second, None]


def test_spreading_takes_targets_along_and_leaves_gold_alone() -> None:
    project = make_project(overlap=3, overlap_cap=6, shared_share=1.0)
    plain, given, gold = make_pair(project, cap=1), make_pair(project, cap=9), make_pair(project)
    for _ in range(8):
        Assignment.objects.create(
            project=project, pair=given, annotator=make_annotator(project), lease_until=timezone.now()
        )
    set_gold(pair=gold, choice="a", by=None)
    assert spread_overlap(project=project, by=make_user()) == 2
    assert dict(Pair.objects.values_list("pk", "cap"))[gold.pk] > 1000
    assert list(Pair.objects.order_by("pk").values_list("target", "cap")[:2]) == [(3, 6), (3, 8)]
    assert plain.pk < given.pk


def test_a_target_lies_within_its_cap() -> None:
    with pytest.raises(IntegrityError, match="pair_target_within_cap"):
        make_pair(make_project(), target=4, cap=3)


# --- quotas ---------------------------------------------------------------------------------------------------------


def test_a_quota_in_all_and_the_annotators_own_instead() -> None:
    project = make_project(pairs=6, quota_total=2)
    annotator, favourite = make_annotator(project), make_annotator(project, quota_total=3)
    for _ in range(2):
        judge(annotator)
    assert deal(annotator=annotator) is None
    for _ in range(3):
        judge(favourite)
    assert deal(annotator=favourite) is None


def test_a_quota_a_day_begins_anew() -> None:
    annotator = make_annotator(make_project(pairs=6, quota_day=1))
    judge(annotator, "skip")  # does not count
    judge(annotator)
    assert deal(annotator=annotator) is None
    Assignment.objects.update(dealt_at=timezone.now() - timedelta(days=1))
    assert judge(annotator).pair


def test_what_is_open_counts_too_and_is_still_shown() -> None:
    annotator = make_annotator(make_project(pairs=6, quota_day=1))
    shown = next_of(annotator)
    assert next_of(annotator) == shown
    assert deal(annotator=annotator, exclude=[shown.pair_id]) is None


# --- qualification --------------------------------------------------------------------------------------------------


@pytest.fixture
def strict() -> Project:
    """Two qualification pairs, both of which must be right; ordinary and gold pairs besides."""
    project = make_project(pairs=3, qualify_share=1.0, gold_rate=0.5)
    for qualifying in (True, True, False):
        set_gold(pair=make_pair(project), choice="a", qualifying=qualifying, by=None)
    return project


def test_who_answers_rightly_goes_on(strict: Project) -> None:
    annotator = make_annotator(strict)
    first, second = judge(annotator), judge(annotator)
    assert first.pair and first.pair.qualifying
    assert second.pair and second.pair.qualifying
    assert annotator.qualified is None
    assert not Pair.objects.get(pk=next_of(annotator).pair_id).qualifying
    annotator.refresh_from_db()
    step = QualityStep.objects.get()
    assert (annotator.qualified, step.what, step.by) == (True, "passed", None)
    assert step.figures == {"right": 2, "of": 2, "bar": 1.0}


@pytest.mark.parametrize("wrong", ["b", "skip"])
def test_who_does_not_is_told_and_may_be_let_in(strict: Project, wrong: str) -> None:
    annotator, owner = make_annotator(strict), make_user()
    judge(annotator)
    judge(annotator, wrong)
    for _ in range(2):
        with pytest.raises(Forbidden, match="first answers"):
            deal(annotator=annotator)
    with pytest.raises(Conflict, match="Add others first"):
        try_again(annotator=annotator, by=owner)
    qualify(annotator=annotator, by=owner)
    annotator.refresh_from_db()
    assert deal(annotator=annotator)
    assert list(QualityStep.objects.values_list("what", "by")) == [("passed", owner.pk), ("failed", None)]


def test_a_second_try_counts_its_own_answers_only(strict: Project) -> None:
    annotator = make_annotator(strict)
    judge(annotator, "b")
    judge(annotator, "b")
    with pytest.raises(Forbidden):
        deal(annotator=annotator)
    another = make_pair(strict)
    set_gold(pair=another, choice="a", qualifying=True, by=None)
    try_again(annotator=annotator, by=make_user())
    annotator.refresh_from_db()
    assert judge(annotator).pair == another
    assert deal(annotator=annotator)


def later(judgment: Judgment, seconds: float = 11) -> None:
    """As if what was said of this so far had been said so long before."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # judgments are append-only
        cursor.execute(
            "UPDATE annotator_judgment SET created_at = created_at - make_interval(secs => %s) WHERE annotator_id = %s",
            [seconds, judgment.annotator_id],
        )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def change(judgment: Judgment, choice: str) -> Judgment:
    """Edit what was said, to prefer a or b."""
    side: Any = "left" if (choice == "a") != judgment.swapped else "right"
    changes: Any = {"judgment_id": judgment.pk, "client_key": uuid4(), "answer": Answer(choice=side)}
    return revise(annotator=judgment.annotator, **changes).judgment


def passes(annotator: Annotator) -> bool:
    try:
        found = deal(annotator=annotator)
    except Forbidden:
        found = None
    annotator.refresh_from_db()
    assert annotator.qualified is bool(found)
    return bool(found)


def test_a_slip_that_is_undone_at_once_counts_as_it_was_corrected(strict: Project) -> None:
    annotator = make_annotator(strict)
    judge(annotator, "b")
    assert undo_last(annotator=annotator, client_key=uuid4())
    later(judge(annotator), 3600)  # however long the correction itself took
    change(judge(annotator, "b"), "a")
    assert passes(annotator)
    assert QualityStep.objects.get().figures == {"right": 2, "of": 2, "bar": 1.0}


def test_an_answer_that_stood_counts_whatever_is_said_afterwards(strict: Project) -> None:
    annotator = make_annotator(strict)
    later(judge(annotator, "b"))
    assert undo_last(annotator=annotator, client_key=uuid4())
    judge(annotator)
    judge(annotator)
    with pytest.raises(Forbidden, match="within 10 seconds"):
        deal(annotator=annotator)
    assert QualityStep.objects.get().figures == {"right": 1, "of": 2, "bar": 1.0}


@pytest.mark.parametrize("seconds", [0, 60])
@pytest.mark.parametrize("choices", ["bb", "ba", "ab"])
def test_taking_answers_back_is_no_way_to_pass(strict: Project, seconds: float, choices: str) -> None:
    annotator = make_annotator(strict)
    for choice in choices:
        said = judge(annotator, choice)
        later(said, seconds)
        withdraw(annotator=annotator, judgment_id=said.pk, client_key=uuid4())
    assert not passes(annotator)
    assert QualityStep.objects.get().figures == {"right": choices.count("a"), "of": 2, "bar": 1.0}


def test_what_was_undone_and_left_counts_as_it_was_last_said(strict: Project) -> None:
    annotator = make_annotator(strict)
    judge(annotator)
    last = judge(annotator)
    assert undo_last(annotator=annotator, client_key=uuid4())
    assert deal(annotator=annotator, exclude=[last.pair_id or 0]) is None  # it is open again: not decided
    Assignment.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    expire_leases()
    assert passes(annotator)


def test_changing_old_answers_is_no_way_to_pass_in_another_try(strict: Project) -> None:
    annotator = make_annotator(strict)
    said = [judge(annotator, "b"), judge(annotator, "b")]
    later(said[0])
    assert not passes(annotator)
    strict.qualify_share = 0.6
    strict.save()
    another = make_pair(strict)
    set_gold(pair=another, choice="a", qualifying=True, by=None)
    try_again(annotator=annotator, by=make_user())
    annotator = Annotator.objects.get(pk=annotator.pk)
    for each in said:
        each.annotator = annotator
        change(each, "a")
    assert judge(annotator, "b").pair == another
    assert not passes(annotator)
    assert QualityStep.objects.first().figures == {"right": 0, "of": 1, "bar": 0.6}  # type: ignore[union-attr]


def test_qualification_is_not_cut_short_by_a_quota(strict: Project) -> None:
    strict.quota_total = 1
    annotator = make_annotator(strict)
    assert [judge(annotator).pair.qualifying for _ in range(2)] == [True, True]  # type: ignore[union-attr]


def test_a_page_that_holds_pairs_is_not_kept_waiting(strict: Project) -> None:
    annotator = make_annotator(strict)
    first = next_of(annotator)
    second = deal(annotator=annotator, exclude=[first.pair_id])
    assert second and second.chosen_by == "qualification"
    assert deal(annotator=annotator, exclude=[first.pair_id, second.pair_id]) is None  # two are not answered yet
    judged = [judge(annotator).pair_id for _ in range(2)]
    after = deal(annotator=annotator, exclude=[pk for pk in judged if pk])  # on their way, as far as the page knows
    assert after and after.chosen_by != "qualification"
    assert annotator.qualified


def test_without_qualification_pairs_everybody_is_let_in() -> None:
    annotator = make_annotator(make_project(pairs=1, qualify_share=0.8))
    assert deal(annotator=annotator)
    annotator.refresh_from_db()
    assert annotator.qualified is None


# --- gold -----------------------------------------------------------------------------------------------------------


def test_a_gold_pair_has_room_for_everybody_and_is_no_ordinary_one() -> None:
    project = make_project(overlap=1)
    pair, owner = make_pair(project), make_user()
    set_gold(pair=pair, choice="b", by=owner)
    assert deal(annotator=make_annotator(project)) is None
    assert (pair.cap, pair.gold_choice) == (Pair.objects.get().cap, "b")
    assert pair.cap > 30_000
    set_gold(pair=pair, choice="", qualifying=True, by=owner)
    pair.refresh_from_db()
    assert (pair.cap, pair.target, pair.qualifying) == (1, None, False)
    assert deal(annotator=make_annotator(project))
    entries = [entry.about["values"]["answer"] for entry in AuditEntry.objects.order_by("pk")]
    assert entries == [["", "b"], ["b", ""]]


def test_gold_that_becomes_ordinary_keeps_what_was_given_out() -> None:
    project = make_project(overlap=1, overlap_cap=2)
    pair = make_pair(project)
    set_gold(pair=pair, choice="a", by=None)
    for _ in range(5):
        Assignment.objects.create(
            project=project, pair=pair, annotator=make_annotator(project), lease_until=timezone.now()
        )
    set_gold(pair=pair, choice="", by=None)
    pair.refresh_from_db()
    assert (pair.target, pair.cap, pair.taken) == (1, 5, 5)


def test_an_unknown_answer_is_refused() -> None:
    with pytest.raises(Invalid, match="no answer"):
        set_gold(pair=make_pair(make_project()), choice="left", by=None)


# --- pins -----------------------------------------------------------------------------------------------------------


def test_a_pinned_pair_comes_first_and_holds_its_slot() -> None:
    project = make_project(pairs=3, overlap=1)
    pair, annotator, other, owner = make_pair(project), make_annotator(project), make_annotator(project), make_user()
    assert pin_pair(pair=pair, annotators=[annotator], by=owner).new == 1
    assert [judge(other).pair for _ in range(3)] == list(Pair.objects.exclude(pk=pair.pk).order_by("pk"))
    assert deal(annotator=other) is None  # the slot is held
    dealt = next_of(annotator)
    assert (dealt.pair_id, dealt.chosen_by) == (pair.pk, "pinned")
    assert dealt.lease_until > timezone.now() + timedelta(minutes=29)
    assert next_of(annotator) == dealt
    assert judge(annotator).pair == pair


def test_a_full_pair_gets_a_slot_more() -> None:
    project = make_project(overlap=1)
    pair = make_pair(project)
    judge(make_annotator(project))
    expert = make_annotator(project)
    pin_pair(pair=pair, annotators=[expert], by=make_user())
    pair.refresh_from_db()
    assert (pair.cap, pair.taken) == (2, 2)
    assert judge(expert).pair == pair
    assert Judgment.objects.filter(pair=pair).count() == 2


def test_pins_that_change_nothing() -> None:
    project = make_project(pairs=1)
    pair, annotator, owner = Pair.objects.get(), make_annotator(project), make_user()
    judge(annotator)
    outcome = pin_pair(pair=pair, annotators=[annotator], by=owner)
    assert (outcome.new, outcome.had_it) == (0, [annotator.ref])
    pair.withdrawn_at = timezone.now()
    pair.save()
    with pytest.raises(Conflict, match="withdrawn"):
        pin_pair(pair=pair, annotators=[make_annotator(project)], by=owner)


def test_a_pin_that_is_left_open_waits_again() -> None:
    project = make_project(pairs=1, overlap=1)
    pair, annotator, owner = Pair.objects.get(), make_annotator(project), make_user()
    pin_pair(pair=pair, annotators=[annotator], by=owner)
    dealt = next_of(annotator)
    Assignment.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert expire_leases() == 1
    assert Assignment.objects.get().state == "pinned"
    assert next_of(annotator).key == dealt.key
    assert release(annotator=annotator, assignment_key=dealt.key)
    pause_annotator(annotator=annotator, by=owner)
    assert (Assignment.objects.get().state, Pair.objects.get().taken) == ("pinned", 1)


def test_taking_a_pin_back() -> None:
    project = make_project(pairs=1, overlap=1)
    annotator, owner = make_annotator(project), make_user()
    pin_pair(pair=Pair.objects.get(), annotators=[annotator], by=owner)
    held = Assignment.objects.get()
    unpin(assignment=held, by=owner)
    assert (Assignment.objects.get().state, Pair.objects.get().taken) == ("released", 0)
    with pytest.raises(Conflict):
        unpin(assignment=held, by=owner)
    pin_pair(pair=Pair.objects.get(), annotators=[annotator], by=owner)
    next_of(annotator)
    with pytest.raises(Conflict, match="opened"):
        unpin(assignment=Assignment.objects.latest("pk"), by=owner)


def test_sides_of_pinned_pairs_are_counterbalanced() -> None:
    project = make_project(pairs=1, overlap=1)
    pin_pair(pair=Pair.objects.get(), annotators=[make_annotator(project) for _ in range(8)], by=make_user())
    assert Assignment.objects.filter(swapped=True).count() == 4


def test_the_database_holds_the_cap_for_pins_too() -> None:
    project = make_project(pairs=1, overlap=1)
    Assignment.objects.create(
        project=project,
        pair=Pair.objects.get(),
        annotator=make_annotator(project),
        lease_until=timezone.now(),
        state="pinned",
    )
    with pytest.raises(IntegrityError, match="pair_taken_within_cap"), transaction.atomic():
        Assignment.objects.create(
            project=project, pair=Pair.objects.get(), annotator=make_annotator(project), lease_until=timezone.now()
        )
