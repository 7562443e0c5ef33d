"""A version goes live and everybody's latent is due: thousands of annotators adapted, from the database to stored posteriors.

The baseline is the adaptation alone, in memory, of the same people.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import numpy as np

from bench.site import database

PROMPTS = 60
EACH = 20


def run(quick: bool) -> dict[str, Any]:
    """Seconds and annotators a second, for the hybrid and for a model with a network in it."""
    people = 200 if quick else 2_000
    with database():
        project = _seed(people)
        figures: dict[str, Any] = {"annotators": people, "judgments each": EACH}
        for model, options in (("hybrid", {"rounds": 2, "last_rounds": 1}), ("fewshot", {"steps": 20})):
            figures |= _measured(project, model, options)
        return figures


def _measured(project: Any, model: str, options: dict[str, object]) -> dict[str, Any]:
    from annotator.models import Annotator
    from attune.rewards.base import RewardModel
    from personalization.contexts import context_of
    from personalization.sweeping import backfill
    from training.execution import execute_run
    from training.registry import promote
    from training.runs import start_run
    from training.serving import live_version, load_model

    done = execute_run(start_run(project=project, model_name=model, options=options, send=False).pk)
    if done is None or done.state != "done":
        raise RuntimeError(f"the fit failed: {done and done.error}")
    promote(version=done.version)
    served = live_version(project.pk)
    assert served is not None
    loaded: RewardModel = load_model(served)
    begin = time.perf_counter()
    adapted = backfill(project_id=project.pk, version=served, until=float("inf"), again=False)
    took = time.perf_counter() - begin
    contexts = [
        context_of(annotator_id=pk, model=loaded, served=served).comparisons
        for pk in Annotator.objects.filter(project=project).values_list("pk", flat=True)[:200]
    ]
    begin = time.perf_counter()
    for context in contexts:
        loaded.adapt(context)
    alone = (time.perf_counter() - begin) / len(contexts)
    return {
        f"{model}, backfill, s": round(took, 1),
        f"{model}, annotators a second": round(adapted / took),
        f"{model}, ms each": round(1000 * took / adapted, 2),
        f"{model}, baseline: adapting alone, ms": round(1000 * alone, 2),
    }


def _seed(people: int) -> Any:
    from annotator.models import Annotator, Judgment, Pair, Project, Prompt, Response
    from attune.data import content_digest

    rng = np.random.default_rng(0)
    project = Project.objects.create(slug="bench", name="Bench", encoder="style", simulated=True)
    pairs = []
    for number in range(PROMPTS):
        text = f"Question {number}?"
        prompt = Prompt.objects.create(
            project=project,
            ref=str(number),
            messages=[{"role": "user", "content": text}],
            text=text,
            digest=str(number),
        )
        sides = [
            Response.objects.create(prompt=prompt, ref=said[:20], text=said, digest=content_digest(text, said))
            for said in (f"Yes, do it {number}.", f"It depends; perhaps one might consider {number} other ways first.")
        ]
        pairs.append(Pair.objects.create(project=project, prompt=prompt, response_a=sides[0], response_b=sides[1]))
    who = Annotator.objects.bulk_create(
        [Annotator(project=project, ref=f"sim-{n}", simulated=True) for n in range(people)]
    )
    for annotator in who:
        Judgment.objects.bulk_create(
            [
                Judgment(
                    project=project,
                    annotator=annotator,
                    pair=pairs[index],
                    choice="a" if rng.random() < 0.3 + 0.4 * (annotator.pk % 2) else "b",
                    client_key=uuid.uuid4(),
                    source=Judgment.Source.SIMULATION,
                )
                for index in rng.permutation(PROMPTS)[:EACH]
            ]
        )
    return project
