from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from annotator.errors import Conflict, Invalid, LeaseLost, NotFound
from annotator.models import Annotator, Assignment, Judgment, Pair, Span
from annotator.services.answers import Answer, Mark, Tag
from annotator.services.dealing import Dealt, deal
from annotator.services.judging import record, revise, undo_last, withdraw
from annotator.services.leases import expire_leases, release
from tests.factories import make_annotator, make_pair, make_project

pytestmark = pytest.mark.django_db

LEFT = Answer(choice="left", strength=2)


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


@pytest.fixture
def annotator() -> Annotator:
    """Somebody with three pairs before them, each for one person only."""
    return make_annotator(make_project(pairs=3, overlap=1))


def dealt_to(annotator: Annotator) -> Dealt:
    dealt = deal(annotator=annotator)
    assert dealt is not None
    return dealt


def say(annotator: Annotator, answer: Answer = LEFT, dealt: Dealt | None = None, key: UUID | None = None) -> Judgment:
    dealt = dealt or dealt_to(annotator)
    return record(annotator=annotator, assignment_key=dealt.key, client_key=key or uuid4(), answer=answer).judgment


def expire(dealt: Dealt) -> None:
    Assignment.objects.filter(pk=dealt.assignment_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert expire_leases() == 1


def state(dealt: Dealt) -> str:
    return Assignment.objects.get(pk=dealt.assignment_id).state


def taken(dealt: Dealt) -> int:
    return Pair.objects.get(pk=dealt.pair_id).taken


def history(dealt: Dealt) -> list[tuple[int, str, bool, bool]]:
    rows = Judgment.objects.filter(pair=dealt.pair_id).order_by("revision")
    return list(rows.values_list("revision", "choice", "current", "withdrawn"))


# --- what is stored -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swapped", [False, True])
def test_left_is_stored_in_the_pairs_own_terms(annotator: Annotator, swapped: bool) -> None:
    dealt = dealt_to(annotator)
    Assignment.objects.update(swapped=swapped, guess=0.7)
    answer = Answer(
        choice="left", strength=3, tags=(Tag("clear", "left", True),), text="Why.", seconds=4.5, page_version="7"
    )
    judgment = Judgment.objects.get(pk=say(annotator, answer, dealt).pk)
    assert judgment.choice == ("b" if swapped else "a")
    assert (judgment.strength, judgment.swapped, judgment.guess) == (3, swapped, 0.7)
    assert (judgment.seconds, judgment.page_version, judgment.source) == (4.5, "7", "page")
    assert (judgment.revision, judgment.current, judgment.assignment_id) == (1, True, dealt.assignment_id)
    assert judgment.rationale.text == "Why."
    assert judgment.rationale.tags == [{"tag": "clear", "side": judgment.choice, "good": True}]
    assert (state(dealt), taken(dealt)) == ("judged", 1)


def test_marks_are_stored_under_their_response() -> None:
    project = make_project()
    pair = make_pair(project, a="Boil it.", b="Fry it.")
    annotator = make_annotator(project)
    dealt = dealt_to(annotator)
    say(
        annotator, Answer(choice="tie", marks=(Mark("left", 0, 3, dealt.left.text[:3], good=False, tag="warm"),)), dealt
    )
    span = Span.objects.get()
    assert span.response_id == dealt.left.response_id
    assert (span.start, span.end, span.quote, span.good, span.tag) == (0, 3, dealt.left.text[:3], False, "warm")
    assert span.response in (pair.response_a, pair.response_b)


def test_a_skip_gives_the_slot_to_others_and_never_comes_back(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    judgment = say(annotator, Answer(choice="skip", skip_reason="No idea of eggs."), dealt)
    assert (judgment.choice, judgment.skip_reason, state(dealt), taken(dealt)) == (
        "skip",
        "No idea of eggs.",
        "skipped",
        0,
    )
    assert dealt_to(annotator).pair_id != dealt.pair_id
    assert dealt_to(make_annotator(annotator.project)).pair_id == dealt.pair_id


def test_a_wrong_answer_changes_nothing(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    with pytest.raises(Invalid) as caught:
        say(annotator, Answer(choice="tie", strength=2), dealt)
    assert set(caught.value.fields) == {"strength"}
    assert (state(dealt), Judgment.objects.count()) == ("open", 0)
    assert say(annotator, LEFT, dealt).strength == 2


# --- once per key ---------------------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_judgment_whatever_has_changed_since(annotator: Annotator) -> None:
    dealt, key = dealt_to(annotator), uuid4()
    first = say(annotator, LEFT, dealt, key)
    annotator.project.rationales = "required"
    Pair.objects.update(withdrawn_at=timezone.now())
    again = record(annotator=annotator, assignment_key=dealt.key, client_key=key, answer=Answer(choice="tie"))
    assert (again.judgment, again.replayed) == (first, True)
    assert again.judgment.choice == first.choice
    assert Judgment.objects.count() == 1


def test_a_late_retry_after_an_undo_does_not_bring_the_judgment_back(annotator: Annotator) -> None:
    dealt, key = dealt_to(annotator), uuid4()
    first = say(annotator, LEFT, dealt, key)
    undo_last(annotator=annotator, client_key=uuid4())
    assert say(annotator, LEFT, dealt, key) == first
    assert [(revision, withdrawn) for revision, _, _, withdrawn in history(dealt)] == [(1, False), (2, True)]


def test_a_key_is_good_for_one_assignment(annotator: Annotator) -> None:
    key = uuid4()
    say(annotator, key=key)
    with pytest.raises(Conflict, match="another judgment"):
        say(annotator, key=key)
    assert Judgment.objects.count() == 1
    other = make_annotator(annotator.project)
    with pytest.raises(Conflict, match="another judgment"):
        say(other, key=key)


def test_two_tabs_with_the_same_pair(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    say(annotator, LEFT, dealt)
    with pytest.raises(Conflict, match="already"):
        say(annotator, Answer(choice="tie"), dealt)
    assert len(history(dealt)) == 1


# --- leases ---------------------------------------------------------------------------------------------------------


def test_a_lease_is_its_holders(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    with pytest.raises(NotFound):
        say(make_annotator(annotator.project), LEFT, dealt)
    stranger = make_annotator(annotator.project)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError, match="judgment_lease_is_its_annotators"), transaction.atomic():
        Judgment.objects.create(
            project=annotator.project,
            annotator=stranger,
            pair_id=dealt.pair_id,
            assignment_id=dealt.assignment_id,
            client_key=uuid4(),
            choice="a",
        )


def test_an_expired_lease_is_good_while_the_slot_is_free(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    expire(dealt)
    assert taken(dealt) == 0
    say(annotator, LEFT, dealt)
    assert (state(dealt), taken(dealt)) == ("judged", 1)


def test_an_expired_lease_is_lost_once_others_have_the_pair(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    expire(dealt)
    assert dealt_to(make_annotator(annotator.project)).pair_id == dealt.pair_id
    with pytest.raises(LeaseLost, match="others have taken it"):
        say(annotator, LEFT, dealt)
    assert (Judgment.objects.count(), state(dealt), taken(dealt)) == (0, "expired", 1)


def test_an_expired_lease_on_a_pair_that_was_lent_to_the_same_annotator_again(annotator: Annotator) -> None:
    old = dealt_to(annotator)
    expire(old)
    new = dealt_to(annotator)
    assert new.pair_id == old.pair_id
    say(annotator, LEFT, old)
    assert (state(old), state(new), taken(old)) == ("judged", "released", 1)
    assert len(history(old)) == 1


def test_an_owner_withdraws_the_pair_while_it_is_open(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    Pair.objects.filter(pk=dealt.pair_id).update(withdrawn_at=timezone.now())
    with pytest.raises(LeaseLost, match="withdrew this pair"):
        say(annotator, LEFT, dealt)
    assert dealt_to(annotator).pair_id != dealt.pair_id


def test_a_released_lease(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    release(annotator=annotator, assignment_key=dealt.key)
    assert say(annotator, LEFT, dealt).revision == 1


# --- append-only ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"choice": "tie"}, {"withdrawn": True}, {"seconds": 1.0}, {"about": {"x": 1}}])
@pytest.mark.parametrize("current", [False, True])
def test_a_judgment_can_not_be_changed(annotator: Annotator, change: dict[str, Any], current: bool) -> None:
    judgment = say(annotator, Answer(choice="both_bad"))
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Judgment.objects.filter(pk=judgment.pk).update(**change, current=current)


def test_a_judgment_can_not_be_deleted_or_become_current_again(annotator: Annotator) -> None:
    judgment = say(annotator)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        judgment.delete()
    Judgment.objects.filter(pk=judgment.pk).update(current=False)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Judgment.objects.filter(pk=judgment.pk).update(current=True)


@pytest.mark.parametrize(
    ("choice", "strength"), [("tie", 1), ("both_bad", 2), ("skip", 1), ("a", 0), ("b", 4), ("better", None)]
)
def test_the_database_checks_strength_and_choice(annotator: Annotator, choice: str, strength: int | None) -> None:
    pair = Pair.objects.earliest("id")
    with pytest.raises(IntegrityError), transaction.atomic():
        Judgment.objects.create(
            project=annotator.project,
            annotator=annotator,
            pair=pair,
            client_key=uuid4(),
            choice=choice,
            strength=strength,
        )


# --- undo, revise, withdraw -----------------------------------------------------------------------------------------


def undo(annotator: Annotator, key: UUID | None = None) -> Dealt | None:
    return undo_last(annotator=annotator, client_key=key or uuid4())


def test_undo_shows_the_pair_again_with_its_values(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    said = Answer(
        choice="right",
        strength=1,
        tags=(Tag("clear", "right", True), Tag("warm", "left", False)),
        text="Shorter.",
        marks=(Mark("left", 0, 6, dealt.left.text[:6], good=False, comment="hm"),),
        seconds=9.0,
        page_version="7",
    )
    say(annotator, said, dealt)
    upcoming = dealt_to(annotator)
    undone = undo(annotator)
    assert undone is not None
    assert (undone.key, undone.swapped, undone.answer) == (dealt.key, dealt.swapped, said)
    assert dealt_to(annotator) == undone  # also after a reload
    assert history(dealt)[-1] == (2, history(dealt)[0][1], True, True)
    assert (state(dealt), taken(dealt)) == ("open", 1)
    say(annotator, Answer(choice="tie"), undone)
    assert [row[0] for row in history(dealt)] == [1, 2, 3]
    assert history(dealt)[-1] == (3, "tie", True, False)
    assert dealt_to(annotator).key == upcoming.key


def test_undo_reaches_back_step_by_step_and_not_into_yesterday(annotator: Annotator) -> None:
    first = dealt_to(annotator)
    say(annotator, LEFT, first)
    second = dealt_to(annotator)
    say(annotator, LEFT, second)
    steps = [undo(annotator), undo(annotator)]
    assert [step.pair_id for step in steps if step] == [second.pair_id, first.pair_id]
    assert undo(annotator) is None


def test_yesterday_stays(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    Judgment.objects.create(
        project=annotator.project,
        annotator=annotator,
        pair_id=dealt.pair_id,
        assignment_id=dealt.assignment_id,
        client_key=uuid4(),
        choice="a",
        judged_at=timezone.now() - timedelta(days=1),
    )
    assert undo(annotator) is None


def test_a_double_click_undoes_once(annotator: Annotator) -> None:
    say(annotator)
    say(annotator)
    key = uuid4()
    assert undo(annotator, key) == undo(annotator, key)
    assert Judgment.objects.filter(withdrawn=True).count() == 1


def test_undo_of_a_skip_that_others_took(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    say(annotator, Answer(choice="skip"), dealt)
    dealt_to(make_annotator(annotator.project))
    with pytest.raises(LeaseLost):
        undo(annotator)
    assert len(history(dealt)) == 1


def test_revise_keeps_the_history(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    first = say(annotator, Answer(choice="left", strength=1, text="Old."), dealt)
    key = uuid4()
    new = Answer(choice="right", strength=3, text="New.")
    recorded = revise(annotator=annotator, judgment_id=first.pk, client_key=key, answer=new)
    again = revise(annotator=annotator, judgment_id=first.pk, client_key=key, answer=LEFT)
    assert (again.judgment, again.replayed, recorded.replayed) == (recorded.judgment, True, False)
    assert [row[2:] for row in history(dealt)] == [(False, False), (True, False)]
    assert {first.choice, recorded.judgment.choice} == {"a", "b"}
    assert (recorded.judgment.strength, recorded.judgment.rationale.text) == (3, "New.")
    assert Judgment.objects.get(pk=first.pk).rationale.text == "Old."


def test_revise_into_a_skip_and_back_moves_the_slot(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    first = say(annotator, LEFT, dealt)
    revise(annotator=annotator, judgment_id=first.pk, client_key=uuid4(), answer=Answer(choice="skip"))
    assert (state(dealt), taken(dealt)) == ("skipped", 0)
    dealt_to(make_annotator(annotator.project))
    with pytest.raises(LeaseLost):
        revise(annotator=annotator, judgment_id=first.pk, client_key=uuid4(), answer=LEFT)
    assert len(history(dealt)) == 2


def test_revise_of_what_is_open_again(annotator: Annotator) -> None:
    judgment = say(annotator)
    undo(annotator)
    with pytest.raises(Conflict, match="open again"):
        revise(annotator=annotator, judgment_id=judgment.pk, client_key=uuid4(), answer=LEFT)


def test_withdraw_frees_the_slot_and_is_not_asked_again(annotator: Annotator) -> None:
    dealt = dealt_to(annotator)
    judgment = say(annotator, LEFT, dealt)
    with pytest.raises(NotFound):
        withdraw(annotator=make_annotator(annotator.project), judgment_id=judgment.pk, client_key=uuid4())
    taken_back = withdraw(annotator=annotator, judgment_id=judgment.pk, client_key=uuid4()).judgment
    assert withdraw(annotator=annotator, judgment_id=judgment.pk, client_key=uuid4()).judgment == taken_back
    assert [row[2:] for row in history(dealt)] == [(False, False), (True, True)]
    assert (state(dealt), taken(dealt)) == ("released", 0)
    assert dealt_to(annotator).pair_id != dealt.pair_id


def test_withdraw_of_an_imported_judgment(annotator: Annotator) -> None:
    judgment = Judgment.objects.create(
        project=annotator.project,
        annotator=annotator,
        pair=Pair.objects.earliest("id"),
        client_key=uuid4(),
        choice="a",
        strength=2,
        source="import",
    )
    taken_back = withdraw(annotator=annotator, judgment_id=judgment.pk, client_key=uuid4()).judgment
    assert (taken_back.revision, taken_back.withdrawn, taken_back.strength) == (2, True, 2)


def test_four_statements_for_a_judgment_with_a_reason(annotator: Annotator) -> None:
    annotator = Annotator.objects.select_related("project").get(pk=annotator.pk)
    dealt = dealt_to(annotator)
    with CaptureQueriesContext(connection) as queries:
        say(annotator, Answer(choice="left", strength=1, text="Why."), dealt)
    real = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(real) <= 4, real
