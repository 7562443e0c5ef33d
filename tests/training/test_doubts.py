"""Runs that look for mislabelled judgments: what they list, what they learn from, and who sees the list."""

from __future__ import annotations

import re
import uuid
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.errors import Invalid
from annotator.models import HINDSIGHT, Annotator, JobState, Judgment, Lineup, Pair, Project, Role
from attune.data import Snapshot
from attune.strength import Strengths
from tests.factories import ThreePeople, login, make_lineup, make_member, make_people
from tests.training.makers import judge, make_tasteful_project
from training.doubts import _doubts
from training.execution import execute_run
from training.models import Doubt, Run
from training.runs import start_run
from training.snapshots import load_snapshot, take_snapshot

pytestmark = pytest.mark.django_db(transaction=True)  # six fits may outlive a heartbeat, which has its own connection
SLIPS = 3


@pytest.fixture
def people(transactional_db: None) -> ThreePeople:
    """Everybody likes it short, steadily, but for four judgments of sim-0, who pressed the wrong key."""
    project = make_tasteful_project(annotators=0, prompts=24)
    pairs = list(Pair.objects.filter(project=project).select_related("response_a", "response_b").order_by("pk"))
    for number in range(8):
        annotator = Annotator.objects.create(project=project, ref=f"sim-{number}", simulated=True)
        for place, pair in enumerate(pairs[number % 4 : 20 + number % 4]):
            short = "a" if len(pair.response_a.text) < len(pair.response_b.text) else "b"
            slipped = number == 0 and place < SLIPS
            judge(annotator, pair, ("b" if short == "a" else "a") if slipped else short)
    return make_people(project)


def wrong(project_id: int) -> list[int]:
    said = Judgment.objects.filter(project=project_id, annotator__ref="sim-0").order_by("pk")
    return list(said.values_list("pk", flat=True)[:SLIPS])


def run(people: ThreePeople, doubtful: str) -> Run:
    started = start_run(project=people.project, model_name="bradley_terry", doubtful=doubtful, send=False)
    done = execute_run(started.pk)
    assert done is not None and done.state == "done", done and done.error
    return done


def test_what_goes_against_its_author_is_listed(people: ThreePeople) -> None:
    done = run(people, "list")
    found = list(done.doubts.values_list("judgment_id", flat=True))
    assert set(found) & set(wrong(people.project.pk))
    assert len(set(found) - set(wrong(people.project.pk))) <= 2
    assert all(0.8 <= each.opposite <= 1 for each in done.doubts.all())
    assert any(re.search("looks? mislabelled", event.data.get("note", "")) for event in done.events.all())


def test_flipping_softening_and_margins_change_what_is_learnt_and_nothing_that_was_said(people: ThreePeople) -> None:
    before = list(Judgment.objects.order_by("pk").values_list("pk", "choice"))
    digests = {doubtful: run(people, doubtful).version.digest for doubtful in ("list", "soften", "flip", "margin")}
    assert len(set(digests.values())) == 4
    assert list(Judgment.objects.order_by("pk").values_list("pk", "choice")) == before


def test_second_looks_are_listed_as_what_they_are(people: ThreePeople) -> None:
    Project.objects.filter(pk=people.project.pk).update(hindsight_trains=Project.Looks.BOTH)
    first = Judgment.objects.filter(annotator__ref="sim-0").earliest("pk")
    again = [judge(first.annotator, first.pair, first.choice, occasion=each) for each in (1, HINDSIGHT)]
    project = Project.objects.get(pk=people.project.pk)
    frozen = load_snapshot(take_snapshot(project=project))
    started = start_run(project=project, model_name="bradley_terry", doubtful="list", send=False)
    found = _doubts(started, frozen, doubted(frozen), np.arange(len(frozen.judgments)))
    assert {each.judgment_id for each in found} == set(Judgment.objects.values_list("pk", flat=True))
    Doubt.objects.bulk_create(each for each in found if each.judgment_id in {judgment.pk for judgment in again})
    Run.objects.update(state=JobState.DONE)
    page = login(people.owner).get(reverse("doubts", args=[project.slug])).content.decode()
    assert page.count("second look") == page.count("sim-0</a>") == 2


def doubted(frozen: Snapshot) -> Strengths:
    """As if every model had voted against every judgment."""
    return Strengths(np.full((2, len(frozen.judgments)), -3, np.float32))


def test_however_many_are_found_they_are_looked_up_at_once(people: ThreePeople) -> None:
    said = Judgment.objects.filter(annotator__ref="sim-0").earliest("pk")
    assert said.pair
    both = [said.pair.response_a_id, said.pair.response_b_id]
    ranking = make_lineup(people.project, 3, prompt=said.pair.prompt)
    Lineup.objects.filter(pk=ranking.pk).update(responses=[*both, ranking.responses[0]])
    order: Any = [[1], [2], [3]] if said.choice == "a" else [[2], [1], [3]]
    values: Any = {
        "kind": "ranking",
        "choice": "ranked",
        "ranking": order,
        "shown": [1, 2, 3],
        "client_key": uuid.uuid4(),
    }
    Judgment.objects.create(project=people.project, annotator=said.annotator, lineup=ranking, **values)
    of_pairs = Judgment.objects.filter(project=people.project, pair__isnull=False).count()
    frozen = load_snapshot(take_snapshot(project=people.project))
    assert len(frozen.judgments) > of_pairs
    started = start_run(project=people.project, model_name="bradley_terry", doubtful="list", send=False)
    votes = doubted(frozen)
    with CaptureQueriesContext(connection) as asked:
        found = _doubts(started, frozen, votes, np.arange(len(frozen.judgments)))
    assert len(asked) == 1
    assert len({each.judgment_id for each in found}) == len(found) == of_pairs, "a ranking is no judgment of a pair"
    revised = Judgment.objects.get(pk=found[0].judgment_id)
    Judgment.objects.filter(pk=revised.pk).update(current=False)
    judge(revised.annotator, revised.pair, revised.choice, revision=2)
    assert len(_doubts(started, frozen, votes, np.arange(len(frozen.judgments)))) == of_pairs - 1, (
        "nobody voted on what was said since"
    )


def test_off_by_default(people: ThreePeople) -> None:
    done = execute_run(start_run(project=people.project, model_name="bradley_terry", send=False).pk)
    assert done is not None and done.doubtful == "keep" and not done.doubts.exists()
    with pytest.raises(Invalid, match="“burn” is nothing that can be done"):
        start_run(project=people.project, doubtful="burn", send=False)


def test_margins_are_for_models_that_aim_at_them(people: ThreePeople) -> None:
    with pytest.raises(Invalid, match="“mixture” does not learn with margins; expected bradley_terry or hybrid"):
        start_run(project=people.project, model_name="mixture", doubtful="margin", send=False)
    owner = login(people.owner)
    page = owner.get(reverse("models", args=[people.project.slug])).content.decode()
    assert '<option value="margin">Listed, and all aimed at with a margin</option>' in page
    owner.post(
        reverse("train", args=[people.project.slug]), {"model": "bradley_terry", "doubtful": "margin", "options": ""}
    )
    assert people.project.runs.get().doubtful == "margin"


def test_the_list_is_for_owners_and_viewers(people: ThreePeople) -> None:
    address = reverse("doubts", args=[people.project.slug])
    assert "Nobody has looked yet" in login(people.owner).get(address).content.decode()
    run(people, "list")
    page = login(people.owner).get(address).content.decode()
    assert "Chance of the opposite" in page and "sim-0" in page
    assert login(make_member(people.project, role=Role.VIEWER)).get(address).status_code == 200
    assert login(people.annotator).get(address).status_code == 403
    assert login(people.stranger).get(address).status_code == 404
