"""What follows from failed checks, that it is logged, and that an owner can take it back."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from annotator.errors import Forbidden
from annotator.exports.options import ExportOptions, Tally
from annotator.exports.rows import export_rows
from annotator.models import Annotator, AuditEntry, Judgment, Pair, Project, QualityStep, User
from annotator.services.dealing import deal
from annotator.services.gold import set_gold
from annotator.services.standing import check_all_standing, check_standing, drop_annotator, restore_annotator
from annotator.tasks import sweep
from tests.factories import make_annotator, make_pair, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user()


@pytest.fixture
def project() -> Project:
    """Four gold pairs, all of whose answers are a; the bar is at 75 %, after four checks."""
    project = make_project(pairs=4, gold_bar=0.75, repeat_bar=0.5, checks_needed=4)
    for pair in list(Pair.objects.all()):
        set_gold(pair=pair, choice="a", by=None)
    return project


def answers(annotator: Annotator, choices: str, *, occasion: int = 0, pairs: list[Pair] | None = None) -> None:
    for pair, choice in zip(pairs or Pair.objects.order_by("pk"), choices, strict=False):
        Judgment.objects.create(
            project=annotator.project,
            annotator=annotator,
            pair=pair,
            choice=choice,
            occasion=occasion,
            client_key=uuid4(),
        )


def steps() -> list[tuple[int, str]]:
    return list(QualityStep.objects.order_by("pk").values_list("annotator", "what"))


def test_owners_are_told_once_for_the_same_checks(project: Project) -> None:
    careless, careful, new = (make_annotator(project) for _ in range(3))
    answers(careless, "aabb")
    answers(careful, "aaab")
    answers(new, "bbb")  # not enough checks yet
    assert check_standing(project=project) == 1
    assert check_standing(project=project) == 0
    assert steps() == [(careless.pk, "warned")]
    step = QualityStep.objects.get()
    assert step.figures == {"below": ["known answers"], "gold": [2, 4, 0.75], "repeats": [0, 0, 0.5]}
    careless.refresh_from_db()
    assert (careless.paused_at, careless.dropped_at) == (None, None)


def test_hidden_repeats_have_a_bar_of_their_own(project: Project) -> None:
    pairs = [make_pair(project) for _ in range(4)]
    wavering, steady = make_annotator(project), make_annotator(project)
    for annotator, second in ((wavering, "bbba"), (steady, "aabb")):
        answers(annotator, "aaaa", pairs=pairs)
        answers(annotator, second, occasion=1, pairs=pairs)
    assert check_standing(project=project) == 1
    assert QualityStep.objects.get().annotator == wavering
    assert QualityStep.objects.get().figures["below"] == ["hidden repeats"]


def test_paused_and_restored(project: Project, owner: User) -> None:
    Project.objects.update(consequence="pause")
    project.refresh_from_db()
    annotator = make_annotator(project)
    answers(annotator, "bbbb")
    sweep()
    annotator.refresh_from_db()
    with pytest.raises(Forbidden, match="paused"):
        deal(annotator=annotator)
    restore_annotator(annotator=annotator, by=owner)
    annotator.refresh_from_db()
    assert deal(annotator=annotator) is None  # nothing left, and nobody kept out
    assert check_all_standing() == 0  # the old checks are settled
    more = [make_pair(project) for _ in range(4)]
    for pair in more:
        set_gold(pair=pair, choice="a", by=None)
    answers(annotator, "bbbb", pairs=more)
    assert check_all_standing() == 1
    assert [what for _, what in steps()] == ["paused", "restored", "paused"]
    assert [entry.what for entry in AuditEntry.objects.filter(by=owner)] == ["annotator restored"]


def test_dropped_from_training_and_restored(project: Project, owner: User) -> None:
    project.consequence = "drop"
    bad, good = make_annotator(project, ref="bad"), make_annotator(project, ref="good")
    answers(bad, "bbbb")
    answers(good, "aaaa")
    assert check_standing(project=project) == 1
    assert check_standing(project=project) == 0
    bad.refresh_from_db()
    assert bad.dropped_at

    def exported() -> tuple[set[str], dict[str, int]]:
        tally = Tally()
        rows = list(export_rows(project, ExportOptions(format="trl"), tally))
        return {row["annotator"] for row in rows}, dict(tally.left_out)

    assert exported() == ({"good"}, {"by annotators who failed the checks": 4})
    restore_annotator(annotator=bad, by=owner)
    assert exported() == ({"bad", "good"}, {})


def test_an_owner_may_drop_somebody_by_hand(project: Project, owner: User) -> None:
    annotator = make_annotator(project)
    assert drop_annotator(annotator=annotator, by=owner)
    assert not drop_annotator(annotator=annotator, by=owner)
    assert steps() == [(annotator.pk, "dropped")]
    assert QualityStep.objects.get().by == owner


def test_programs_skips_withdrawn_and_qualification_do_not_count(project: Project) -> None:
    simulated, skipping, qualifying = (
        make_annotator(project, simulated=True),
        make_annotator(project),
        make_annotator(project),
    )
    answers(simulated, "bbbb")
    answers(skipping, "aa")
    for pair in Pair.objects.order_by("pk")[2:]:
        Judgment.objects.create(project=project, annotator=skipping, pair=pair, choice="skip", client_key=uuid4())
    Pair.objects.update(qualifying=True)
    answers(qualifying, "bbbb")
    assert check_all_standing() == 0


def test_without_bars_nothing_happens() -> None:
    project = make_project(pairs=4)
    for pair in Pair.objects.all():
        set_gold(pair=pair, choice="a", by=None)
    answers(make_annotator(project), "bbbb")
    assert check_all_standing() == 0


def test_steps_are_never_rewritten(project: Project, owner: User) -> None:
    drop_annotator(annotator=make_annotator(project), by=owner)
    for change in (lambda: QualityStep.objects.update(what="passed"), lambda: QualityStep.objects.all().delete()):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()
    owner.delete()  # who it was may be forgotten
    assert QualityStep.objects.get().by is None
