"""The door for the app above: which version answers for a project, and the fitted model itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from annotator.errors import NotFound
from annotator.statements import Statement
from attune import artifact
from attune.errors import ArtifactError, EncoderMismatch
from attune.recent import Recent
from attune.rewards.base import RewardModel
from training import store
from training.models import ModelVersion
from training.vectors import PostgresVectorStore

Array = NDArray[np.float32]

MODELS_IN_MEMORY = 8
"""Fitted models that one process keeps."""


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """What it takes to serve a version. ``label`` is as the API pins it: ``hybrid@3``."""

    id: int
    label: str
    model_name: str
    encoder: str
    digest: str
    path: str
    number: int


_LIVE = Statement("""
SELECT id, model_name || '@' || number, model_name, encoder, digest, path, number
FROM training_modelversion WHERE project_id = %(project)s AND state = 'live'
""")


STILL_LIVE = "(SELECT state = 'live' FROM training_modelversion WHERE id = %(version)s)"
"""For statements that rely on ``live_before``: whether the version still answers for its project."""
_live_before: dict[int, ServedVersion] = {}


def live_version(project_id: int) -> ServedVersion | None:
    """The version that answers unless another is pinned; None before the first promotion.

    One query, planned once: every request that scores begins with it.
    """
    found = _LIVE.run({"project": project_id})
    if not found:
        return None
    _live_before[project_id] = live = ServedVersion(*found[0])
    return live


def live_before(project_id: int) -> ServedVersion | None:
    """The version that answered when this process last asked. Whoever uses it asks ``STILL_LIVE`` as well. No query."""
    return _live_before.get(project_id)


def version_by_label(project_id: int, label: str) -> ServedVersion:
    """The version pinned as ``hybrid@3``, live or not. Raises ``NotFound`` for an unknown or retired one. One query."""
    name, _at, number = label.rpartition("@")
    found = ModelVersion.objects.filter(project=project_id, model_name=name)
    version = (
        found.filter(number=int(number)).first() if number.isascii() and number.isdigit() and len(number) < 9 else None
    )
    if version is None:
        raise NotFound(
            _("This project has no model “%(label)s”; expected a label such as hybrid@3.") % {"label": label}
        )
    if version.state == ModelVersion.State.RETIRED:
        raise NotFound(_("The model “%(label)s” has been retired and is not served any more.") % {"label": label})
    return served(version)


def served(version: ModelVersion) -> ServedVersion:
    """A version's row as its readers need it."""
    return ServedVersion(
        id=version.pk,
        label=version.label,
        model_name=version.model_name,
        encoder=version.encoder,
        digest=version.digest,
        path=version.path,
        number=version.number,
    )


def load_model(version: ServedVersion) -> RewardModel:
    """The fitted model, kept in memory; any number of threads. Its files are checked against the digest when read.

    Raises ``ArtifactError`` where they are missing or changed, ``EncoderMismatch`` where they are of another encoder
    than was registered, ``StoreError`` where the storage does not answer.
    """
    return _models.get(version)


def known_vectors(encoder: str, digests: Sequence[str]) -> dict[str, Array]:
    """Stored vectors by content digest, each (dim,); texts that were never encoded are left out."""
    return PostgresVectorStore().get_many(encoder, digests)


class _Models:
    """The models in memory, by digest. Loading one does not keep readers of another waiting."""

    def __init__(self, capacity: int) -> None:
        self._recent: Recent[str, RewardModel] = Recent(capacity)
        self._loading = threading.Lock()

    def get(self, version: ServedVersion) -> RewardModel:
        if model := self._recent.get(version.digest):
            return model
        with self._loading:
            if model := self._recent.get(version.digest):
                return model
            model = _read(version)
        self._recent.keep(version.digest, model)
        return model


_models = _Models(MODELS_IN_MEMORY)


def _read(version: ServedVersion) -> RewardModel:
    try:
        model = artifact.load(store.fetch_folder(version.path), version.digest)
    except ArtifactError:
        store.forget_copy(version.path)  # a spoilt copy of a bucket's folder; on a disk this fails again
        model = artifact.load(store.fetch_folder(version.path), version.digest)
    if model.encoder != version.encoder:
        known = {"model": version.label, "one": repr(model.encoder), "other": repr(version.encoder)}
        raise EncoderMismatch(
            _("%(model)s was fitted on the encoder %(one)s but is registered with %(other)s.") % known
        )
    return model
