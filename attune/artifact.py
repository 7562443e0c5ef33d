"""A fitted model on disk: a folder with ``weights.safetensors``, ``model.json`` and ``manifest.json`` of their hashes; and
with ``left.safetensors``, where its fit left something for a refit to begin from.

Written aside and renamed, so that a folder with the final name is always complete. Loading needs numpy, not torch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import attune
from attune.errors import ArtifactError
from attune.rewards import model_class
from attune.rewards.base import RewardModel

ARTIFACT_FORMAT = "attune-artifact/1"
WEIGHTS_FILE = "weights.safetensors"
MODEL_FILE = "model.json"
MANIFEST_FILE = "manifest.json"
LEFT_FILE = "left.safetensors"
"""What a refit may begin from. Only refits read it."""


def save(model: RewardModel, folder: str | Path, about: Mapping[str, object]) -> str:
    """Write a fitted model as a new folder and return its digest, which covers weights, configuration and ``about``.

    ``about`` is what the reader should know: metrics, snapshot digest, seed … Raises ``ArtifactError`` where the folder
    exists: artifacts are never overwritten.
    """
    target = Path(folder)
    if target.exists():
        raise ArtifactError(f"{target} already exists; artifacts are never overwritten")
    tensors, config = model.state()
    description = {
        "format": ARTIFACT_FORMAT,
        "model": model.name,
        "encoder": model.encoder,
        "code_version": attune.__version__,
        "config": config,
        "about": dict(about),
    }
    contents = {
        WEIGHTS_FILE: save_tensors({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}),
        MODEL_FILE: _json(description),
    }
    if left := model.left():
        contents[LEFT_FILE] = save_tensors({name: np.ascontiguousarray(each) for name, each in left.items()})
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    digest = _digest(files)
    contents[MANIFEST_FILE] = _json({"format": ARTIFACT_FORMAT, "digest": digest, "files": files})
    _write_aside(target, contents)
    return digest


def load(folder: str | Path, digest: str | None = None) -> RewardModel:
    """Read a model back, every byte checked against the manifest, and that against ``digest`` where it is given.

    Raises ``ArtifactError`` where a file is missing, has changed, or names an unknown kind of model.
    """
    tensors, description = _verified(Path(folder), digest)
    config = description["config"]
    return model_class(str(description["model"])).from_state(tensors, config)


def load_left(folder: str | Path, digest: str | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """What the model's fit left for a refit to begin from; empty where it left nothing. Raises ``ArtifactError`` as ``load``."""
    content = _verified_files(Path(folder), digest, (LEFT_FILE,), optional=True).get(LEFT_FILE)
    return _tensors(content, Path(folder) / LEFT_FILE) if content is not None else {}


def describe(folder: str | Path) -> dict[str, Any]:
    """The verified description of a model (model, encoder, code_version, config, about, digest) without building it."""
    _, description = _verified(Path(folder), None)
    return description


def _verified(folder: Path, digest: str | None) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    contents = _verified_files(folder, digest, (WEIGHTS_FILE, MODEL_FILE))
    description = _parsed(folder / MODEL_FILE, contents[MODEL_FILE])
    if description.get("format") != ARTIFACT_FORMAT:
        raise ArtifactError(f"{folder} has format {description.get('format')!r}, expected {ARTIFACT_FORMAT!r}")
    found = str(_parsed(folder / MANIFEST_FILE, _read(folder / MANIFEST_FILE))["digest"])
    return _tensors(contents[WEIGHTS_FILE], folder / WEIGHTS_FILE), description | {"digest": found}


def _verified_files(
    folder: Path, digest: str | None, names: tuple[str, ...], *, optional: bool = False
) -> dict[str, bytes]:
    """The contents of some of the files, as the manifest lists them; ``optional`` ones may be no part of it."""
    manifest = _parsed(folder / MANIFEST_FILE, _read(folder / MANIFEST_FILE))
    listed = manifest.get("files")
    files: dict[str, str] = listed if isinstance(listed, dict) else {}
    wanted = [name for name in names if name in files or not optional]
    contents = {name: _read(folder / name) for name in wanted}
    for name, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if found != files.get(name):
            raise ArtifactError(f"{folder / name} has changed: sha256 {found}, expected {files.get(name)}")
    found = _digest(files)
    if found != manifest.get("digest") or digest not in (None, found):
        raise ArtifactError(f"{folder} has digest {found}, expected {digest or manifest.get('digest')}")
    return contents


def _tensors(content: bytes, path: Path) -> dict[str, np.ndarray[Any, Any]]:
    try:
        return load_tensors(content)
    except SafetensorError as error:
        raise ArtifactError(f"{path} is not a safetensors file: {error}") from None


def _write_aside(target: Path, contents: Mapping[str, bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for name, content in contents.items():
            (aside / name).write_bytes(content)
        aside.chmod(0o755)
        aside.rename(target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(_json({"format": ARTIFACT_FORMAT, "files": dict(files)})).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from None


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"{path} is not a JSON object")
    return value
