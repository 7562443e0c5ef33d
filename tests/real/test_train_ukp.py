"""Real judgments all the way: the file as it is, through import, training and promotion, to a personal reward."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db.models import Count
from django.test import Client

from annotator.imports.running import run_import
from annotator.models import ApiToken, JobState, Prompt
from annotator.services.tokens import issue_token
from tests.factories import make_people, make_project
from training.execution import execute_run
from training.registry import promote
from training.reports import report_on
from training.runs import start_run
from training.snapshots import load_snapshot

DATA = Path(__file__).parents[3] / "shared" / "data" / "ukp_convarg" / "train.jsonl.gz"

pytestmark = [
    pytest.mark.django_db(transaction=True),  # a long run has a heartbeat with a connection of its own
    pytest.mark.timeout(400),
    pytest.mark.skipif(not DATA.exists(), reason=f"the real judgments are not there: {DATA}"),
]


def test_real_judgments_become_personal_rewards() -> None:
    people = make_people(make_project(slug="arguments", encoder="style", reward_model="hybrid"))
    project = people.project
    assert run_import(DATA, project=project).written

    run = execute_run(start_run(project=project, by=people.owner).pk)

    assert run
    assert (run.state, run.error) == (JobState.DONE, "")
    assert run.snapshot
    assert run.snapshot.counts["judgments"] == 44_179
    assert run.snapshot.counts["annotators"] == 3_197
    frozen = load_snapshot(run.snapshot)
    assert sum(bool(each.rationale) for each in frozen.judgments) > 40_000
    assert {"contested", "heavy_rater"} <= {name for each in frozen.judgments for name in each.slices}

    report = report_on(run.metrics)
    assert report.pooled
    assert report.main
    assert report.pooled.accuracy > 0.7
    assert report.main.accuracy > report.pooled.accuracy - 0.03
    assert report.main.annotators >= 100

    promote(version=run.version, by=people.owner)
    _, token = issue_token(user=people.owner, name="test", scopes=[ApiToken.Scope.SCORE], project=project)
    prompt = Prompt.objects.filter(project=project, topic__startswith="ban-plastic-water-bottles").first()
    assert prompt
    texts = list(prompt.responses.values_list("text", flat=True)[:8])
    heavy = project.annotators.annotate(said=Count("judgments")).order_by("-said", "pk")[0]
    scored = [
        Client().post(
            "/api/v1/score",
            {"project": "arguments", "user": user, "prompt": prompt.text, "completions": texts},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        for user in (heavy.ref, None)
    ]
    own, everybodys = (each.json() for each in scored)
    assert [each.status_code for each in scored] == [200, 200], scored[0].content
    assert own["model"] == everybodys["model"] == "hybrid@1"
    assert own["personalization"] == {"n_judgments": heavy.said, "fallback": False}
    assert all(each["cached"] for each in own["data"])
    assert [each["score"] for each in own["data"]] != [each["score"] for each in everybodys["data"]]
