"""A project with a fitted model whose numbers are known, so that tests can say what a reward must be."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annotator.models import Annotator, Judgment, Pair, Project, Response
from attune import artifact
from attune.encoders import get_encoder
from attune.rewards import model_class
from attune.rewards.base import RewardModel
from attune.rewards.feature_map import FeatureMap
from attune.rewards.hybrid import Hybrid
from attune.rewards.linear import LinearParts
from attune.rewards.reasons import Why
from attune.rewards.tastes import Community
from attune.rewards.traits import Traits
from attune.rewards.trust import default_trust
from attune.style_features import TRAITS
from tests.factories import make_pair, make_prompt
from training import store
from training.models import ModelVersion, Run
from training.serving import ServedVersion, load_model, served

MODEL = "hybrid"
K = 3


def make_pairs(project: Project, count: int) -> list[Pair]:
    """Pairs of one prompt each, with texts that differ in style."""
    return [
        make_pair(
            project, prompt=make_prompt(project), a=f"Yes, {'really ' * n}do it now.", b=f"- Perhaps {n}\n- Or not"
        )
        for n in range(count)
    ]


def responses_of(pairs: Sequence[Pair]) -> list[Response]:
    return [response for pair in pairs for response in (pair.response_a, pair.response_b)]


def make_version(
    project: Project,
    responses: Sequence[Response],
    *,
    seed: int = 0,
    live: bool = True,
    encoder: str = "style",
    model_name: str = MODEL,
) -> ServedVersion:
    """A stored model with random items for ``responses``, a standard normal prior and random weights for new texts."""
    rng = np.random.default_rng(seed)
    dim = get_encoder(encoder).dim
    tensors: dict[str, Any] = {
        "table": rng.normal(size=(len(responses), K)),
        "feature_center": np.zeros(dim),
        "feature_projection": rng.normal(size=(dim, 4)) / 4,
        "text_weights": rng.normal(size=(4, K)),
        "prior_mean": np.array([0.5] + [0.0] * (K + 1)),
        "prior_cov": np.eye(K + 2),
        "calibration_shots": np.array([0.0, 16.0]),
        "calibration_scale": np.array([1.0, 1.0]),
        "trait_slopes": rng.normal(size=(len(TRAITS), K)),
    }
    config = {"encoder": encoder, "ids": [str(each.pk) for each in responses]}
    return store_version(project, model_class(model_name).from_state(tensors, config), live=live)


def make_reading_version(project: Project, responses: Sequence[Response], *, seed: int = 0) -> ServedVersion:
    """A live hybrid that reads the tags ``clear`` and ``warm`` and the word ``short``, with two coordinates of taste."""
    rng = np.random.default_rng(seed)
    encoder = get_encoder("style")
    count, taste, columns = len(responses), 2, 6
    table = np.zeros((count, columns), np.float32)
    table[:, :4], table[:, -1] = rng.normal(size=(count, 4)), np.arange(1, count + 1)
    parts = LinearParts(
        ids=tuple(str(each.pk) for each in responses),
        table=table,
        feature_map=FeatureMap(
            np.zeros(encoder.dim, np.float32), (rng.normal(size=(encoder.dim, 4)) / 4).astype(np.float32)
        ),
        text_weights=np.zeros((4, columns), np.float32),
        prior_mean=np.zeros(0, np.float32),
        prior_cov=np.zeros((0, 0), np.float32),
        calibration_shots=np.zeros(1, np.float32),
        calibration_scale=np.ones(1, np.float32),
    )
    community = Community(
        verdicts=False,
        base=1.0,
        base_spread=0.1,
        cov=np.eye(taste, dtype=np.float32),
        position=0.0,
        position_spread=0.1,
        threshold_spread=0.7,
        log_nu=-1.0,
        tie_spread=0.5,
        class_weights=np.zeros((taste, 0), np.float32),
        class_center=np.zeros((taste, 0), np.float32),
        class_log_prior=np.zeros(0, np.float32),
        class_model=np.zeros(0, np.int64),
        memory=0.0,
        doubt=0.0,
    )
    words = ("#clear", "#warm", "short")
    alike, liked = rng.normal(size=(3, taste, taste)), rng.normal(size=(3, taste))
    why = Why(words, alike.astype(np.float32), liked.astype(np.float32), weight=4.0)
    model = Hybrid()
    model.install_with(parts, community, default_trust(), encoder.name, why)
    model.style_traits = Traits(np.zeros((len(TRAITS), columns), np.float32))
    return store_version(project, model)


def store_version(project: Project, model: RewardModel, *, live: bool = True) -> ServedVersion:
    """A registry row and files for a fitted model."""
    number = project.versions.count() + 1
    path = f"models/{uuid.uuid4()}"
    with tempfile.TemporaryDirectory() as folder:
        digest = artifact.save(model, Path(folder) / "model", {})
        store.put_folder(Path(folder) / "model", path)
    run = Run.objects.create(project=project, number=number, model_name=model.name, encoder=model.encoder)
    if live:
        project.versions.filter(state=ModelVersion.State.LIVE).update(state=ModelVersion.State.CANDIDATE)
    version = ModelVersion.objects.create(
        project=project,
        number=number,
        model_name=model.name,
        encoder=model.encoder,
        path=path,
        digest=digest,
        run=run,
        state=ModelVersion.State.LIVE if live else ModelVersion.State.CANDIDATE,
    )
    return served(version)


def judge(annotator: Annotator, pair: Pair, choice: str, **fields: Any) -> Judgment:
    """A judgment as an import would write it."""
    return Judgment.objects.create(
        project=annotator.project, annotator=annotator, pair=pair, choice=choice, client_key=uuid.uuid4(), **fields
    )


def say_again(judgment: Judgment, choice: str, **fields: Any) -> Judgment:
    """A new revision of it."""
    Judgment.objects.filter(pk=judgment.pk).update(current=False)
    return judge(judgment.annotator, judgment.pair, choice, revision=judgment.revision + 1, **fields)  # type: ignore[arg-type]


def take_back(judgment: Judgment) -> Judgment:
    """A new revision that withdraws it."""
    return say_again(judgment, judgment.choice, withdrawn=True)


def item_of(version: ServedVersion, response: Response) -> np.ndarray[Any, Any]:
    """The model's own item of a response, (K,)."""
    return load_model(version).items([str(response.pk)])[0]
