"""Projects with tastes in them, large enough to learn from and small enough for seconds. All of it is simulated."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta

from annotator.models import Annotator, JobState, Judgment, Pair, Project, Prompt, Rationale, Response
from attune.encoders import content_digest
from tests.factories import make_project
from training.execution import execute_run
from training.models import ModelVersion, Run

SHORT = ("Ten minutes, then cold water.", "Yes, on Mondays.", "Use a sharp knife.", "Try it once and see.")
LONG = (
    "There are several ways to go about this; to begin with, you may wish to consider how much time you have today.",
    "It depends on a number of things: the weather, for example, the size of the pot, and of course your own patience.",
)
START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def make_tasteful_project(
    *, annotators: int = 12, prompts: int = 20, each: int = 15, seed: int = 0, ties: float = 0.05, **fields: object
) -> Project:
    """Three of four annotators like short answers, the others long ones, with a tenth of their judgments at random."""
    project = make_project(encoder="style", simulated=True, **fields)
    pairs = _make_pairs(project, prompts)
    draw = random.Random(seed)
    for number in range(annotators):
        annotator = Annotator.objects.create(project=project, ref=f"sim-{number}", simulated=True)
        judge_some(
            annotator, draw.sample(pairs, min(each, len(pairs))), likes_short=number % 4 != 3, draw=draw, ties=ties
        )
    return project


def judge_some(
    annotator: Annotator,
    pairs: list[Pair],
    *,
    likes_short: bool = True,
    draw: random.Random | None = None,
    ties: float = 0.05,
) -> None:
    """One judgment of each pair by the annotator's taste."""
    draw = draw or random.Random(annotator.pk)
    rows = []
    for number, pair in enumerate(pairs):
        a_is_short = len(pair.response_a.text) < len(pair.response_b.text)
        prefers_a = (a_is_short == likes_short) if draw.random() > 0.1 else draw.random() < 0.5
        rows.append(
            Judgment(
                project=annotator.project,
                annotator=annotator,
                pair=pair,
                choice="tie" if draw.random() < ties else "a" if prefers_a else "b",
                swapped=draw.random() < 0.5,
                client_key=uuid.uuid4(),
                source=Judgment.Source.SIMULATION,
                judged_at=START + timedelta(minutes=number),
            )
        )
    Judgment.objects.bulk_create(rows)


def judge(annotator: Annotator, pair: Pair, choice: str = "a", **fields: object) -> Judgment:
    """One judgment, with its rationale where ``text`` or ``tags`` are given."""
    why = {name: fields.pop(name) for name in ("text", "tags") if name in fields}
    judgment = Judgment.objects.create(
        project=annotator.project, annotator=annotator, pair=pair, choice=choice, client_key=uuid.uuid4(), **fields
    )
    if why:
        Rationale.objects.create(judgment=judgment, **why)
    return judgment


def _make_pairs(project: Project, prompts: int) -> list[Pair]:
    draw = random.Random(1)
    pairs = []
    for number in range(prompts):
        text = f"How do I do thing number {number}?"
        prompt = Prompt.objects.create(
            project=project,
            ref=str(number),
            messages=[{"role": "user", "content": text}],
            text=text,
            digest=content_digest(text, ""),
            topic=f"topic-{number % 3}",
        )
        texts = [f"{draw.choice(SHORT)} ({number})", f"{draw.choice(LONG)} ({number})"]
        draw.shuffle(texts)
        a, b = (
            Response.objects.create(prompt=prompt, ref=str(place), text=each, digest=content_digest(text, each))
            for place, each in enumerate(texts)
        )
        pairs.append(Pair.objects.create(project=project, prompt=prompt, response_a=a, response_b=b, cap=100))
    return pairs


def make_version(project: Project, *, model_name: str = "bradley_terry", **metrics: float) -> ModelVersion:
    """A version by a real fit; ``metrics`` replace what the fit has found."""
    number = project.runs.count() + 1
    run = Run.objects.create(
        project=project, number=number, model_name=model_name, encoder=project.encoder, seed=number
    )
    done = execute_run(run.pk)
    assert done
    assert done.state == JobState.DONE, done.error
    version = ModelVersion.objects.get(run=done)
    if metrics:
        version.metrics = version.metrics | metrics
        version.save()
    return version
