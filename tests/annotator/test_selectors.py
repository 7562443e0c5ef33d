from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from annotator.models import Annotator, Judgment, Pair
from annotator.selectors.evidence import SIGNATURE, Standing, signature_after, standing
from annotator.selectors.free_pairs import pairs_left
from annotator.selectors.progress import GuessRecord, Progress, progress_of
from annotator.services.answers import Answer
from annotator.services.dealing import deal
from annotator.services.judging import record, revise, undo_last, withdraw
from tests.factories import make_annotator, make_project

pytestmark = pytest.mark.django_db

NONE = GuessRecord(0, 0)


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


@pytest.fixture
def annotator() -> Annotator:
    return make_annotator(make_project(pairs=6, daily_goal=12))


def say(annotator: Annotator, choice: Any = "left", strength: int | None = None) -> Judgment:
    dealt = deal(annotator=annotator)
    assert dealt
    answer = Answer(choice=choice, strength=strength)
    return record(annotator=annotator, assignment_key=dealt.key, client_key=uuid4(), answer=answer).judgment


def imported(annotator: Annotator, **fields: Any) -> Judgment:
    taken = Judgment.objects.filter(annotator=annotator).values("pair")
    pair = Pair.objects.filter(project=annotator.project).exclude(pk__in=taken).earliest("id")
    defaults: dict[str, Any] = {"choice": "a", "source": "import", "client_key": uuid4()}
    return Judgment.objects.create(project=annotator.project, annotator=annotator, pair=pair, **defaults | fields)


def test_progress_counts_what_stands(annotator: Annotator) -> None:
    assert progress_of(annotator) == Progress(today=0, total=0, goal=12, guesses=NONE)
    imported(annotator, judged_at=timezone.now() - timedelta(days=2))
    say(annotator)
    say(annotator, "skip")
    taken_back = say(annotator, "both_bad")
    assert progress_of(annotator) == Progress(today=2, total=3, goal=12, guesses=NONE)
    withdraw(annotator=annotator, judgment_id=taken_back.pk, client_key=uuid4())
    assert progress_of(annotator) == Progress(today=1, total=2, goal=12, guesses=NONE)


def test_pairs_left(annotator: Annotator) -> None:
    assert pairs_left(annotator) == 6
    say(annotator)
    say(annotator, "skip")
    imported(annotator)
    assert pairs_left(annotator) == 3
    assert pairs_left(annotator, at_most=2) == 2
    Pair.objects.update(cap=1)
    assert pairs_left(make_annotator(annotator.project)) == 5  # one of the six is full, the skipped one is not


def test_how_often_the_model_was_right(annotator: Annotator) -> None:
    assert progress_of(annotator).guesses == NONE
    for guess, choice in ((0.9, "a"), (0.6, "b"), (0.2, "b"), (0.7, "tie"), (None, "a")):
        imported(annotator, guess=guess, choice=choice)
    assert progress_of(annotator).guesses == GuessRecord(right=2, of=3)


def test_what_stands_is_in_the_pairs_own_terms(annotator: Annotator) -> None:
    first, skipped, tie = say(annotator, "left", 2), say(annotator, "skip"), say(annotator, "tie")
    pair = first.pair
    assert pair is not None
    assert standing(annotator.pk)[0] == Standing(
        judgment_id=first.pk,
        counts=True,
        response_a_id=pair.response_a_id,
        response_b_id=pair.response_b_id,
        choice="b" if first.swapped else "a",
        strength=2,
        swapped=first.swapped,
        tags=[],
    )
    assert [each.counts for each in standing(annotator.pk)] == [True, False, True]
    assert [each.judgment_id for each in standing(annotator.pk, after=first.pk)] == [skipped.pk, tie.pk]
    assert standing(make_annotator(annotator.project).pk) == []


def test_what_was_taken_back_or_replaced_does_not_count(annotator: Annotator) -> None:
    first, second = say(annotator), say(annotator)
    revise(annotator=annotator, judgment_id=first.pk, client_key=uuid4(), answer=Answer(choice="tie"))
    assert [each.choice for each in standing(annotator.pk)] == [second.choice, "tie"]
    undo_last(annotator=annotator, client_key=uuid4())  # the revision was the latest
    assert [each.judgment_id for each in standing(annotator.pk) if each.counts] == [second.pk]


def test_the_signature_after_additions_is_the_databases_own(annotator: Annotator) -> None:
    say(annotator)
    before = standing(annotator.pk)
    say(annotator, "skip"), say(annotator, "tie")
    added = standing(annotator.pk, after=before[-1].judgment_id)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({SIGNATURE}) FROM annotator_annotator a WHERE a.id = %s", [annotator.pk])
        (signature,) = cursor.fetchone()
    assert signature_after(signature_after("0:0", before), added) == signature


def test_a_hidden_repeat_is_a_check_and_no_more_evidence(annotator: Annotator) -> None:
    first = say(annotator)
    Judgment.objects.create(
        project=annotator.project, annotator=annotator, pair=first.pair, occasion=1, choice="tie", client_key=uuid4()
    )
    assert standing(annotator.pk)[0].judgment_id == first.pk
    assert [each.counts for each in standing(annotator.pk)] == [True, False]


def test_one_statement_each(annotator: Annotator) -> None:
    say(annotator)
    for read in (progress_of, pairs_left):
        with CaptureQueriesContext(connection) as queries:
            read(annotator)
        assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        standing(annotator.pk)
    assert len(queries) == 1
