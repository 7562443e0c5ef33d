"""Models on disk: the same scores back, and no byte changed unnoticed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from attune import artifact
from attune.errors import ArtifactError
from attune.evaluate import comparisons
from attune.rewards.hybrid import Hybrid
from attune.simulate import Simulation


def test_a_loaded_model_scores_and_describes_alike(tmp_path: Path, hybrid: Hybrid, world: Simulation) -> None:
    digest = artifact.save(hybrid, tmp_path / "m", {"snapshot": "abc", "metrics": {"accuracy": 0.7}})
    loaded = artifact.load(tmp_path / "m", digest)
    assert isinstance(loaded, Hybrid)
    said = comparisons(hybrid, world.judgments[:12])
    items = hybrid.items(list(world.responses))
    assert np.array_equal(loaded.items(list(world.responses)), items)
    mine, theirs = hybrid.score(hybrid.adapt(said), items), loaded.score(loaded.adapt(said), items)
    assert np.array_equal(mine.mean, theirs.mean)
    assert np.array_equal(mine.std, theirs.std)
    assert loaded.temperature(7) == hybrid.temperature(7)
    about = artifact.describe(tmp_path / "m")
    assert (about["model"], about["encoder"], about["digest"]) == ("hybrid", "truth", digest)
    assert about["about"] == {"snapshot": "abc", "metrics": {"accuracy": 0.7}}


def test_saving_twice_gives_the_same_digest_elsewhere_and_never_overwrites(tmp_path: Path, hybrid: Hybrid) -> None:
    assert artifact.save(hybrid, tmp_path / "a", {}) == artifact.save(hybrid, tmp_path / "b", {})
    with pytest.raises(ArtifactError, match="never overwritten"):
        artifact.save(hybrid, tmp_path / "a", {})


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_changed_byte_is_noticed(tmp_path: Path, hybrid: Hybrid, name: str) -> None:
    artifact.save(hybrid, tmp_path / "m", {})
    content = bytearray((tmp_path / "m" / name).read_bytes())
    content[-2] ^= 1
    (tmp_path / "m" / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name} has changed"):
        artifact.load(tmp_path / "m")


def test_another_digest_than_expected_is_refused(tmp_path: Path, hybrid: Hybrid) -> None:
    artifact.save(hybrid, tmp_path / "m", {})
    with pytest.raises(ArtifactError, match="expected 1234"):
        artifact.load(tmp_path / "m", "1234")


@pytest.mark.parametrize("missing", ["manifest.json", "weights.safetensors", "model.json"])
def test_a_missing_file_is_named(tmp_path: Path, hybrid: Hybrid, missing: str) -> None:
    artifact.save(hybrid, tmp_path / "m", {})
    (tmp_path / "m" / missing).unlink()
    with pytest.raises(ArtifactError, match=f"{missing} cannot be read"):
        artifact.load(tmp_path / "m")


def test_a_model_of_an_unknown_kind_is_named(tmp_path: Path, hybrid: Hybrid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hybrid, "name", "oracle")
    artifact.save(hybrid, tmp_path / "m", {})
    with pytest.raises(ArtifactError, match="model 'oracle' is not known"):
        artifact.load(tmp_path / "m")


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path, hybrid: Hybrid) -> None:
    with pytest.raises(ValueError, match="JSON"):
        artifact.save(hybrid, tmp_path / "m", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_tensors_that_do_not_fit_together_are_refused(hybrid: Hybrid) -> None:
    tensors, config = hybrid.state()
    with pytest.raises(ArtifactError, match="does not fit together"):
        Hybrid.from_state(tensors, {**config, "ids": ["only one"]})
    without = {name: tensor for name, tensor in tensors.items() if name != "prior_cov"}
    with pytest.raises(ArtifactError, match="lacks 'prior_cov'"):
        Hybrid.from_state(without, json.loads(json.dumps(config)))


def files_of(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_artifact_is_a_few_plain_files(tmp_path: Path, hybrid: Hybrid) -> None:
    artifact.save(hybrid, tmp_path / "m", {})
    assert files_of(tmp_path / "m") == ["left.safetensors", "manifest.json", "model.json", "weights.safetensors"]
