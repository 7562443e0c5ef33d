"""Snapshots of a past moment, with names and filters, compared with each other."""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from annotator.errors import Conflict, Invalid, NotFound
from annotator.models import Annotator, Assignment, Judgment, Project
from annotator.services.answers import Answer
from annotator.services.asking import next_task
from annotator.services.judging import record, revise, withdraw
from annotator.services.standing import drop_annotator, restore_annotator
from tests.factories import make_annotator, make_lineup, make_pair, make_project, make_user
from tests.training.makers import START, judge, make_tasteful_project, make_version
from training import moments
from training.comparing import checked_kinds, compare
from training.errors import NothingToLearn
from training.filters import SnapshotFilters, moment
from training.models import Run, Snapshot
from training.runs import start_run
from training.snapshot_selectors import find_snapshot
from training.snapshots import load_snapshot, name_snapshot, take_snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests write and freeze in one connection: there is nobody to wait for."""
    monkeypatch.setattr(moments, "SETTLES_AFTER", timedelta(0))


def act(project: Project, people: list[Annotator], draw: random.Random) -> None:
    """Something that an annotator may do: judge, revise or withdraw."""
    annotator = draw.choice(people)
    standing = list(Judgment.objects.filter(annotator=annotator, current=True, withdrawn=False))
    answer = Answer(choice=draw.choice(("left", "right", "tie", "both_bad")))
    if standing and draw.random() < 0.3:
        revise(annotator=annotator, judgment_id=draw.choice(standing).pk, client_key=uuid.uuid4(), answer=answer)
    elif standing and draw.random() < 0.2:
        withdraw(annotator=annotator, judgment_id=draw.choice(standing).pk, client_key=uuid.uuid4())
    else:
        pair = make_pair(project, cap=20)
        lease = Assignment.objects.create(
            project=project, pair=pair, annotator=annotator, lease_until=timezone.now() + timedelta(hours=1)
        )
        record(annotator=annotator, assignment_key=lease.key, client_key=uuid.uuid4(), answer=answer)


@pytest.mark.parametrize("seed", range(5))
def test_any_past_moment_gives_the_snapshot_of_that_moment(seed: int) -> None:
    draw = random.Random(seed)
    project = make_project()
    people = [make_annotator(project) for _ in range(3)]
    judge(make_annotator(project), make_pair(project), "a")  # there is always something to learn
    frozen: list[tuple[datetime, str]] = []
    for step in range(40):
        act(project, people, draw)
        if step % 8 == 0:
            frozen.append((timezone.now(), take_snapshot(project=project).digest))
    assert len({digest for _, digest in frozen}) == len(frozen)
    for at, digest in frozen:
        assert take_snapshot(project=project, at=at).digest == digest
    assert project.snapshots.count() == len(frozen)


def test_rankings_have_a_past_too() -> None:
    project = make_project(kinds=["pair", "ranking"])
    annotator = make_annotator(project)
    judge(make_annotator(project), make_pair(project), "a")
    make_lineup(project, 4)
    task = next_task(annotator=annotator, kind="ranking")
    assert task
    digests, orders = [], [(("2",), ("4", "1"), ("3",)), (("3",), ("1",), ("2", "4"))]
    before = timezone.now()
    alone = take_snapshot(project=project).digest
    said = Answer(choice="ranked", ranking=orders[0])
    stored = record(annotator=annotator, assignment_key=task.key, client_key=uuid.uuid4(), answer=said).judgment
    digests.append((timezone.now(), take_snapshot(project=project).digest))
    revised = Answer(choice="ranked", ranking=orders[1])
    revise(annotator=annotator, judgment_id=stored.pk, client_key=uuid.uuid4(), answer=revised)
    digests.append((timezone.now(), take_snapshot(project=project).digest))
    withdraw(annotator=annotator, judgment_id=stored.pk, client_key=uuid.uuid4())
    digests += [(before, alone), (timezone.now(), alone)]
    assert [take_snapshot(project=project, at=at).digest for at, _ in digests] == [digest for _, digest in digests]
    assert len({digest for _, digest in digests}) == 3


def test_filters_hold_in_the_past_too() -> None:
    project = make_project()
    pairs = [make_pair(project) for _ in range(4)]
    for pair, topic in zip(pairs, ("tea", "tea", "cake", "cake"), strict=True):
        pair.prompt.topic = topic
        pair.prompt.save()
    anna, bot = make_annotator(project, ref="anna"), make_annotator(project, ref="bot", simulated=True)
    for day, pair in enumerate(pairs):
        judge(anna, pair, "a", judged_at=START + timedelta(days=day))
        judge(bot, pair, "b", judged_at=START + timedelta(days=day))
    judge(anna, pairs[0], "a", occasion=1, judged_at=START + timedelta(days=5))
    at = timezone.now()
    wanted = {
        9: {},
        8: {"repeats": "drop"},
        5: {"simulated": "exclude"},
        4: {"annotators": "bot"},
        2: {"annotators": ["anna"], "topics": "cake"},
    }
    between = {"judged_from": "2026-01-06T09:00:00Z", "judged_before": "2026-01-08T09:00:00Z"}
    for count, given in (*wanted.items(), (4, between)):
        filters = SnapshotFilters.read(given)
        now, then = (take_snapshot(project=project, at=each, filters=filters) for each in (None, at))
        assert now.pk == then.pk
        assert now.counts["judgments"] == count, given
        assert SnapshotFilters.read(now.filters) == filters


def test_who_was_left_out_at_that_moment_is_left_out() -> None:
    project = make_project()
    owner = make_user()
    kept, dropped = make_annotator(project), make_annotator(project)
    for who in (kept, dropped):
        judge(who, make_pair(project), "a")
    before = timezone.now()
    drop_annotator(annotator=dropped, by=owner)
    between = timezone.now()
    restore_annotator(annotator=dropped, by=owner)
    counts = [take_snapshot(project=project, at=at).counts for at in (before, between, timezone.now())]
    assert [each["judgments"] for each in counts] == [2, 1, 2]
    assert counts[1]["dropped_annotators"] == 1
    everybody = SnapshotFilters(failed_checks="keep")
    assert take_snapshot(project=project, at=between, filters=everybody).counts["judgments"] == 2


def test_consent_taken_back_holds_for_the_past() -> None:
    project = make_project()
    stays, leaves = make_annotator(project), make_annotator(project)
    for who in (stays, leaves):
        judge(who, make_pair(project), "a")
    at = timezone.now()
    Annotator.objects.filter(pk=leaves.pk).update(in_training=False)
    frozen = load_snapshot(take_snapshot(project=project, at=at))
    assert [each.annotator for each in frozen.judgments] == [str(stays.pk)]


def test_moments_that_cannot_be() -> None:
    project = make_tasteful_project(annotators=2, prompts=3, each=3)
    with pytest.raises(Invalid, match="has not come yet"):
        take_snapshot(project=project, at=timezone.now() + timedelta(minutes=1))
    with pytest.raises(NothingToLearn):
        take_snapshot(project=project, at=START - timedelta(days=9999))
    for wrong in ("yesterday", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z"):
        with pytest.raises(Invalid, match="with its zone"):
            moment(wrong, "as_of")


@pytest.mark.django_db(transaction=True)
def test_a_moment_that_is_still_being_written_is_not_frozen() -> None:
    project = make_tasteful_project(annotators=2, prompts=3, each=3)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("UPDATE annotator_project SET description = 'x' WHERE id = %s", [project.pk])
        with pytest.raises(Conflict, match="still being written"):
            take_snapshot(project=project, at=timezone.now())
        other.rollback()
        assert take_snapshot(project=project, at=timezone.now()).counts["judgments"] == 6
    finally:
        other.close()
        connections.close_all()


def test_names_are_given_once() -> None:
    project = make_tasteful_project(annotators=2, prompts=3, each=3)
    named = take_snapshot(project=project, name="release-1")
    assert take_snapshot(project=project).pk == named.pk
    with pytest.raises(Conflict, match="already, as “release-1”"):
        take_snapshot(project=project, name="release-2")
    judge(project.annotators.all()[0], make_pair(project), "a")
    with pytest.raises(Conflict, match="There is a snapshot “release-1” already"):
        take_snapshot(project=project, name="release-1")
    later = take_snapshot(project=project)
    name_snapshot(snapshot=later, name="release-2", by=None)
    assert find_snapshot(project, "release-2") == later == find_snapshot(project, later.digest[:8])
    for wrong in ("../up", "deadbeef", "a b", "é", "x" * 81):
        with pytest.raises(Invalid, match="can’t be a name"):
            take_snapshot(project=project, name=wrong)
    with pytest.raises(NotFound, match="the last ones are: release-2, release-1"):
        find_snapshot(project, "release-9")
    assert {**dict(project.audit.filter(what="snapshot named").values_list("about__name", "about__snapshot"))} == {
        "release-1": named.digest,
        "release-2": later.digest,
    }


def test_who_is_in_it_is_known() -> None:
    project = make_tasteful_project(annotators=3, prompts=4, each=4)
    taken = take_snapshot(project=project)
    assert dict(taken.people.values_list("annotator__ref", "judgments")) == {"sim-0": 4, "sim-1": 4, "sim-2": 4}


def test_what_came_what_went_and_what_changed() -> None:
    project = make_project()
    anna = make_annotator(project, ref="anna")
    kept, changed, gone, new = (make_pair(project, a=f"a{n}", b=f"b{n}") for n in range(4))
    for pair in (kept, changed, gone):
        judge(anna, pair, "a", text="why")
    before = take_snapshot(project=project, name="before")
    rows = {each.pair_id: each for each in Judgment.objects.all()}
    revise(
        annotator=anna,
        judgment_id=rows[changed.pk].pk,
        client_key=uuid.uuid4(),
        answer=Answer(choice="right", text="no"),
    )
    withdraw(annotator=anna, judgment_id=rows[gone.pk].pk, client_key=uuid.uuid4())
    judge(anna, new, "tie")
    after = take_snapshot(project=project, name="after")

    found = compare(before=before, after=after)

    assert found.counts == {"came": 1, "went": 1, "changed": 1, "same": 1}
    came, went, revised = found.rows
    assert (came.kind, came.response_a, came.annotator) == ("came", "a3", "anna")
    assert came.before is None
    assert came.after is not None
    assert came.after.choice == "tie"
    assert (went.kind, went.response_a, went.after) == ("went", "a2", None)
    assert revised.before is not None
    assert revised.after is not None
    assert (revised.before.choice, revised.after.choice) == ("a", "b")
    assert revised.fields == ("choice", "rationale")
    assert [each.kind for each in compare(before=before, after=after, kinds=("went",)).rows] == ["went"]
    assert [each.kind for each in compare(before=before, after=after, first=1, most=1).rows] == ["went"]
    back = compare(before=after, after=before)
    assert back.counts == {"came": 1, "went": 1, "changed": 1, "same": 1}
    assert compare(before=after, after=after).counts == {"came": 0, "went": 0, "changed": 0, "same": 3}
    with pytest.raises(Invalid, match="no kind of difference"):
        checked_kinds("lost")


def test_training_from_a_chosen_snapshot() -> None:
    project = make_tasteful_project(annotators=4, prompts=8, each=8, reward_model="bradley_terry")
    old = take_snapshot(project=project, name="old")
    for annotator in project.annotators.all():
        judge(annotator, make_pair(project), "a")
    run = start_run(project=project, snapshot=old, send=False)
    assert run.snapshot == old
    run.state = "cancelled"
    run.save()
    version = make_version(project)
    assert version.run.snapshot != old
    elsewhere = make_tasteful_project(annotators=2, prompts=3, each=3)
    with pytest.raises(Invalid, match="another project"):
        start_run(project=elsewhere, snapshot=old, send=False)
    Snapshot.objects.filter(pk=old.pk).update(counts={**old.counts, "decided": 0})
    old.refresh_from_db()
    with pytest.raises(NothingToLearn, match="old holds no judgment"):
        start_run(project=project, snapshot=old, send=False)
    assert Run.objects.filter(snapshot=old).count() == 1


def test_wrong_filters_are_named() -> None:
    for given, name in (
        ({"taste": "good"}, "taste"),
        ({"simulated": "yes"}, "simulated"),
        ({"topics": [1]}, "topics"),
        ({"annotators": [str(n) for n in range(1001)]}, "annotators"),
        ({"judged_from": "noon"}, "judged_from"),
        ({"judged_from": "2026-01-02T00:00:00Z", "judged_before": "2026-01-01T00:00:00Z"}, "judged_before"),
    ):
        with pytest.raises(Invalid) as wrong:
            SnapshotFilters.read(given)
        assert list(wrong.value.fields) == [name]
