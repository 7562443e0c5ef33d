"""Rewards over HTTP, and adapting to a person: one annotator, 64 responses that the project knows.

A hybrid model of ordinary size with random weights (its speed does not depend on them), the web server and database as
``attune up`` runs them. The baseline is ``/livez`` on the same server in the same run.
"""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.site import database, web
from config.local.process import LOOPBACK

PROMPTS, PER_PROMPT = 100, 64
ITEM = 13
WARM_UP = 10
Seconds = list[float]


def run(quick: bool) -> dict[str, Any]:
    """Figures of scoring, adapting and choosing."""
    count = 60 if quick else 400
    with database() as home:
        world = _seed()
        with web(home) as port:
            livez = _times(_Caller(port).livez, count)
            score = _times(_Caller(port, world["token"], world["body"]).score, count)
        base = statistics.median(livez)
        return {
            "baseline": "/livez, same server",
            "baseline p50 ms": _ms(base),
            "score 64 known, p50 ms": _ms(statistics.median(score)),
            "score 64 known, p95 ms": _ms(_p95(score)),
            "score 64 known, p50, times the baseline": round(statistics.median(score) / base, 2),
            **_adapting(world, count),
            **_choosing(world, count),
        }


def _adapting(world: dict[str, Any], count: int) -> dict[str, float]:
    """From the database to the stored posterior, in this process."""
    from personalization.latents import refresh

    figures = {}
    for judgments, annotator_id in world["annotators"].items():
        times = _times(lambda pk=annotator_id: refresh(annotator_id=pk, served=world["served"]), count)
        figures[f"adapt to {judgments:,} judgments, p50 ms"] = _ms(statistics.median(times))
        figures[f"adapt to {judgments:,} judgments, p95 ms"] = _ms(_p95(times))
    return figures


def _choosing(world: dict[str, Any], count: int) -> dict[str, float]:
    from annotator.services.choosing import Candidate, ChoiceRequest
    from personalization.choosing import choose

    candidates = [Candidate(*row, 0) for row in world["candidates"]]
    request = ChoiceRequest(world["project"], world["annotators"][1000], "information", candidates)
    times = _times(lambda: choose(request), count)
    return {"choose among 200, p50 ms": _ms(statistics.median(times)), "choose among 200, p95 ms": _ms(_p95(times))}


class _Caller:
    """One connection that is kept open."""

    def __init__(self, port: int, token: str = "", body: bytes = b"") -> None:
        self.connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.body = body

    def livez(self) -> None:
        self._ask("GET", "/livez", None, {})

    def score(self) -> None:
        answer = json.loads(self._ask("POST", "/api/v1/score", self.body, self.headers))
        if len(answer["data"]) != PER_PROMPT or answer["usage"]["encoded"] or answer["personalization"]["fallback"]:
            raise RuntimeError(f"not what was to be measured: {answer['usage']} {answer['personalization']}")

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {content[:300]!r}")
        return content


def _seed() -> dict[str, Any]:
    """A project with a live model, one prompt of 64 responses to score, and annotators with 50 and 1,000 judgments."""
    from annotator.models import Annotator, Membership, Project, Role, User
    from annotator.services.tokens import issue_token

    project = Project.objects.create(slug="bench", name="Bench")
    owner = User.objects.create_user("owner@example.org", "correct horse battery")
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    prompts, responses = _content(project)
    pairs = _pairs(project, responses)
    annotators = {}
    for count in (50, 1000):
        annotator = Annotator.objects.create(project=project, ref=f"with {count}")
        _judge(project, annotator, pairs[:count])
        annotators[count] = annotator.pk
    _settle()
    texts = [each.text for each in responses if each.prompt_id == prompts[0].pk]
    asked = {"project": "bench", "user": "with 1000", "prompt": prompts[0].text, "completions": texts}
    _, token = issue_token(user=owner, name="Bench", scopes=["score"])
    return {
        "project": project.pk,
        "served": _model(project, responses),
        "annotators": annotators,
        "token": token,
        "body": json.dumps(asked).encode(),
        "candidates": [(pair.pk, pair.response_a_id, pair.response_b_id) for pair in pairs[1000:1200]],
    }


def _content(project: Any) -> tuple[list[Any], list[Any]]:
    from annotator.models import Prompt, Response
    from attune.data import content_digest

    rng = np.random.default_rng(1)
    words = np.array(
        ["the", "pan", "boil", "water", "ten", "minutes", "slowly", "and", "then", "taste", "it", "with", "salt"]
    )
    texts = [" ".join(rng.choice(words, 20)) for _ in range(PROMPTS)]
    prompts = Prompt.objects.bulk_create(
        Prompt(project=project, ref=str(n), messages=[{"role": "user", "content": text}], text=text, digest=f"{n:064x}")
        for n, text in enumerate(texts)
    )
    answers = [(prompt, " ".join(rng.choice(words, 150))) for prompt in prompts for _ in range(PER_PROMPT)]
    responses = Response.objects.bulk_create(
        (
            Response(prompt=prompt, ref=str(n), text=text, digest=content_digest(prompt.text, text))
            for n, (prompt, text) in enumerate(answers)
        ),
        batch_size=2000,
    )
    return prompts, responses


def _pairs(project: Any, responses: list[Any]) -> list[Any]:
    from annotator.models import Pair

    halves = zip(responses[::2], responses[1::2], strict=True)
    return Pair.objects.bulk_create(
        Pair(project=project, prompt_id=a.prompt_id, response_a=a, response_b=b) for a, b in halves
    )


def _judge(project: Any, annotator: Any, pairs: list[Any]) -> None:
    from annotator.models import Judgment

    Judgment.objects.bulk_create(
        Judgment(project=project, annotator=annotator, pair=pair, choice="ab"[n % 3 == 0], client_key=uuid.uuid4())
        for n, pair in enumerate(pairs)
    )


def _model(project: Any, responses: list[Any]) -> Any:
    """A live version of random weights."""
    from attune import artifact
    from attune.encoders import DEFAULT_ENCODER, get_encoder
    from attune.rewards import model_class
    from training import store
    from training.models import ModelVersion, Run
    from training.serving import served

    rng = np.random.default_rng(2)
    tensors: dict[str, Any] = {
        "table": rng.normal(size=(len(responses), ITEM)),
        "feature_center": np.zeros(get_encoder(DEFAULT_ENCODER).dim),
        "feature_projection": rng.normal(size=(get_encoder(DEFAULT_ENCODER).dim, 90)),
        "text_weights": rng.normal(size=(90, ITEM)),
        "prior_mean": np.zeros(ITEM + 2),
        "prior_cov": np.eye(ITEM + 2),
        "calibration_shots": np.array([0.0]),
        "calibration_scale": np.array([1.0]),
        "trait_slopes": np.zeros((0, ITEM)),
    }
    model = model_class("hybrid").from_state(
        tensors, {"encoder": DEFAULT_ENCODER, "ids": [str(each.pk) for each in responses]}
    )
    with tempfile.TemporaryDirectory() as folder:
        digest = artifact.save(model, Path(folder) / "model", {})
        store.put_folder(Path(folder) / "model", "models/bench")
    run = Run.objects.create(project=project, number=1, model_name="hybrid", encoder=DEFAULT_ENCODER)
    version = ModelVersion.objects.create(
        project=project,
        number=1,
        model_name="hybrid",
        encoder=DEFAULT_ENCODER,
        path="models/bench",
        digest=digest,
        run=run,
        state=ModelVersion.State.LIVE,
    )
    return served(version)


def _settle() -> None:
    """As a database is some time after an import."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _times(act: Callable[[], object], count: int) -> Seconds:
    for _ in range(WARM_UP):
        act()
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        act()
        times.append(time.perf_counter() - begin)
    return times


def _p95(times: Seconds) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
