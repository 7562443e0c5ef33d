from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.storage import storages

from annotator.models import Project
from annotator.models.judging import Aspect, AspectComparison, AspectRating
from attune.data import read_snapshot
from tests.factories import make_annotator, make_pair, make_project
from tests.training.makers import START, judge, make_tasteful_project
from training.errors import NothingToLearn
from training.models import Snapshot
from training.snapshots import load_snapshot, take_snapshot

pytestmark = pytest.mark.django_db


def test_a_judgment_is_frozen_with_everything_that_was_said() -> None:
    project = make_project()
    pair, annotator = make_pair(project, a="Short.", b="A longer answer."), make_annotator(project)
    pair.prompt.topic = "kitchen"
    pair.prompt.save()
    judge(
        annotator,
        pair,
        "b",
        strength=2,
        swapped=True,
        occasion=1,
        judged_at=START,
        about={"part": "context", "slices": ["contested"]},
        text="It says why.",
        tags=[{"tag": "clear", "side": "b", "good": True}, {"tag": "warm", "side": "a", "good": False}],
    )

    frozen = load_snapshot(take_snapshot(project=project))

    (judgment,) = frozen.judgments
    assert judgment.annotator == str(annotator.pk)
    assert (judgment.a, judgment.b) == (str(pair.response_a_id), str(pair.response_b_id))
    assert (judgment.choice, judgment.strength, judgment.swapped, judgment.repeat) == ("b", 2, True, True)
    assert (judgment.rationale, judgment.tags) == ("It says why.", ("b+clear", "a-warm"))
    assert (judgment.part, judgment.slices) == ("context", ("contested",))
    assert judgment.judged_at == "2026-01-05T09:00:00+00:00"
    shorter = frozen.responses[judgment.a]
    assert (shorter.prompt, shorter.text, shorter.topic) == (pair.prompt.text, "Short.", "kitchen")


def test_what_was_said_of_aspects_is_marked() -> None:
    project = make_project()
    pair, annotator = make_pair(project), make_annotator(project)
    helpful, tone = (Aspect.objects.create(project=project, key=key, name=key) for key in ("helpful", "tone"))
    judgment = judge(annotator, pair, "b", tags=[{"tag": "clear", "side": "b", "good": True}], text="")
    AspectComparison.objects.create(judgment=judgment, aspect=tone, choice="a")
    for response, value in ((pair.response_a, 2), (pair.response_b, 5)):
        AspectRating.objects.create(judgment=judgment, aspect=helpful, response=response, value=value)
    level = judge(make_annotator(project), pair, "a")
    for response in (pair.response_a, pair.response_b):
        AspectRating.objects.create(judgment=level, aspect=helpful, response=response, value=3)
    AspectComparison.objects.create(judgment=level, aspect=tone, choice="tie")
    frozen = load_snapshot(take_snapshot(project=project))
    assert {each.tags for each in frozen.judgments} == {("b+clear", "a+aspect:tone", "b+aspect:helpful"), ()}


def test_what_does_not_count_is_left_out() -> None:
    project = make_project()
    pair, unused = make_pair(project), make_pair(project)
    kept = judge(make_annotator(project), pair)
    judge(make_annotator(project), pair, "skip")
    judge(make_annotator(project), pair, current=False)
    judge(make_annotator(project), pair, withdrawn=True)
    judge(make_annotator(project, in_training=False), pair)
    elsewhere = make_project()
    judge(make_annotator(elsewhere), make_pair(elsewhere))

    snapshot = take_snapshot(project=project)

    frozen = load_snapshot(snapshot)
    assert [each.annotator for each in frozen.judgments] == [str(kept.annotator_id)]
    assert set(frozen.responses) == {str(pair.response_a_id), str(pair.response_b_id)}
    assert str(unused.response_a_id) not in frozen.responses
    assert snapshot.last_judgment == kept.pk


def test_counts_say_what_is_in_it() -> None:
    project = make_project()
    first, second = make_pair(project), make_pair(project)
    annotator, other = make_annotator(project), make_annotator(project)
    judge(annotator, first, "a")
    judge(annotator, second, "tie")
    judge(other, first, "both_bad")

    assert take_snapshot(project=project).counts == {
        "judgments": 3,
        "decided": 1,
        "ties": 1,
        "both_bad": 1,
        "responses": 4,
        "annotators": 2,
        "prompts": 2,
        "dropped_annotators": 0,
        "dropped_judgments": 0,
    }


def test_it_says_what_failed_checks_left_out() -> None:
    project = make_project()
    pair = make_pair(project)
    dropped = make_annotator(project, dropped_at=START)
    judge(dropped, pair, "b")
    judge(dropped, make_pair(project), "a")
    judge(make_annotator(project), pair, "a")

    snapshot = take_snapshot(project=project)

    frozen = load_snapshot(snapshot)
    assert [each.choice for each in frozen.judgments] == ["a"]
    assert (snapshot.counts["dropped_annotators"], snapshot.counts["dropped_judgments"]) == (1, 2)
    assert (frozen.about["dropped_annotators"], frozen.about["dropped_judgments"]) == (1, 2)


def test_the_same_judgments_are_the_same_snapshot() -> None:
    project = make_tasteful_project(annotators=4, prompts=5, each=5)
    first = take_snapshot(project=project)
    assert take_snapshot(project=project).pk == first.pk

    judge(make_annotator(project), make_pair(project))
    second = take_snapshot(project=project)

    assert second.digest != first.digest
    assert second.counts["judgments"] == first.counts["judgments"] + 1
    assert Snapshot.objects.filter(project=project).count() == 2
    assert len(load_snapshot(first).judgments) == 20, "the first one is as it was"


def test_order_is_that_of_judging_not_of_arriving() -> None:
    project = make_project()
    pair = make_pair(project)
    late, early = make_annotator(project), make_annotator(project)
    judge(late, pair, judged_at=START.replace(hour=11))
    judge(early, pair, judged_at=START)

    frozen = load_snapshot(take_snapshot(project=project))

    assert [each.annotator for each in frozen.judgments] == [str(early.pk), str(late.pk)]


@pytest.mark.parametrize("choice", ["tie", "skip"])
def test_nothing_to_learn_is_said_with_the_count(choice: str) -> None:
    project = make_project(name="Eggs")
    judge(make_annotator(project), make_pair(project), choice)

    said = {"tie": "1 judgment to learn from and it does not", "skip": "0 judgments to learn from and none"}[choice]
    with pytest.raises(NothingToLearn, match=f"“Eggs” has {said}"):
        take_snapshot(project=project)

    assert not Snapshot.objects.exists()
    assert not _stored(project), "nothing is kept of it"


def test_the_file_is_where_the_row_says() -> None:
    project = make_tasteful_project(annotators=2, prompts=3, each=3)
    snapshot = take_snapshot(project=project)

    assert snapshot.path == f"snapshots/{project.pk}/{snapshot.digest}"
    assert _stored(project) == [snapshot.digest]
    assert read_snapshot(storages["artifacts"].path(snapshot.path)).digest == snapshot.digest


@pytest.mark.django_db(transaction=True)
def test_judgments_that_arrive_meanwhile_wait_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judgment of a new pair, committed between reading responses and judgments, must not break the file."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    from training import snapshots

    project = make_tasteful_project(annotators=2, prompts=3, each=3)
    read_responses = snapshots._responses

    def judge_elsewhere() -> None:
        judge(make_annotator(project), make_pair(project))
        connections.close_all()

    def interrupted(*args: object) -> object:
        yield from read_responses(*args)  # type: ignore[arg-type]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(judge_elsewhere).result()

    monkeypatch.setattr(snapshots, "_responses", interrupted)

    assert len(load_snapshot(take_snapshot(project=project)).judgments) == 6
    monkeypatch.undo()
    assert len(load_snapshot(take_snapshot(project=project)).judgments) == 7


def _stored(project: Project) -> list[str]:
    folder = Path(storages["artifacts"].path(f"snapshots/{project.pk}"))
    return [each.name for each in folder.iterdir()] if folder.exists() else []
