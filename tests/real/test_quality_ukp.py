"""Real people with planted ones among them: who does not read is told from who has another taste."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest
from django.db.models import Count, Q

from annotator.imports.running import run_import
from annotator.models import Annotator, AnnotatorQuality, Judgment, Project, QualityReport
from annotator.services.assessing import assess
from tests.factories import make_project
from training.execution import execute_run
from training.fits import measure_fits
from training.runs import start_run

DATA = Path(__file__).parents[3] / "shared" / "data" / "ukp_convarg" / "eval.jsonl.gz"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),
    pytest.mark.skipif(not DATA.exists(), reason=f"the real judgments are not there: {DATA}"),
]


def plant(project: Project, rng: random.Random) -> None:
    """Four annotators of each kind, with 150 judgments each on pairs that others judged."""
    votes = Judgment.objects.filter(project=project).values("pair")
    votes = votes.annotate(a=Count("pk", filter=Q(choice="a")), b=Count("pk", filter=Q(choice="b")))
    majority = {row["pair"]: "a" if row["a"] >= row["b"] else "b" for row in votes}
    for kind in ("coin", "always", "contrary", "steady"):
        for number in range(4):
            annotator = Annotator.objects.create(project=project, ref=f"planted-{kind}-{number}")
            rows = []
            for pair in rng.sample(sorted(majority), 150):
                most = majority[pair]
                other = "b" if most == "a" else "a"
                choice = {
                    "coin": rng.choice("ab"),
                    "always": "a",
                    "contrary": other if rng.random() < 0.8 else most,
                    "steady": most if rng.random() < 0.8 else other,
                }[kind]
                rows.append(
                    Judgment(project=project, annotator=annotator, pair_id=pair, choice=choice, client_key=uuid4())
                )
            Judgment.objects.bulk_create(rows)


def test_planted_annotators_are_told_apart_among_real_people() -> None:
    project = make_project(slug="arguments", encoder="style")
    assert run_import(DATA, project=project).written
    plant(project, random.Random(1))
    run = execute_run(start_run(project=project, send=False).pk)
    assert measure_fits(run) > 100
    assert assess(project=project)

    found: dict[str, Counter[str]] = {}
    for ref, verdict in AnnotatorQuality.objects.values_list("annotator__ref", "verdict"):
        kind = ref.split("-")[1] if ref.startswith("planted-") else "real"
        found.setdefault(kind, Counter())[verdict] += 1
    assert found["steady"]["typical"] == 4, found
    assert found["contrary"]["contrary"] == 4, found
    careless = found["coin"] + found["always"]
    assert careless["inconsistent"] >= 6, found
    assert careless["minority"] == careless["contrary"] == 0, found
    assert found["real"]["inconsistent"] <= 0.05 * sum(found["real"].values()), found
    body = QualityReport.objects.get().body["people"]
    assert 0 < body["nominal"]["alpha"]["low"] < body["ordinal"]["alpha"]["low"] < 1
    assert body["cyclic"]["high"] < 0.25
