"""From an encoder's vectors to the few well-scaled numbers that the reward models use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attune.data import Snapshot
from attune.encoders import is_linear_encoder, style_columns
from attune.errors import EncoderMismatch
from attune.rewards.base import Array
from attune.rewards.indexing import Comparisons, Ints, feature_matrix, index_snapshot, prompt_groups
from attune.rewards.reasons import reasons_of, spoken_in

DENSE_DIMENSIONS = 64
STYLE_CLIP = 4.0


@dataclass(frozen=True, slots=True)
class Network:
    """One number from F: tanh(x @ inner + bias) @ outer. inner (F, H), bias (H,), outer (H,)."""

    inner: Array
    bias: Array
    outer: Array

    def __call__(self, mapped: Array) -> Array:
        """(N, F) to (N, 1)."""
        return np.asarray((np.tanh(mapped @ self.inner + self.bias) @ self.outer)[:, None], np.float32)

    def tensors(self) -> dict[str, Array]:
        """What ``from_tensors`` reads back."""
        return {f"network_{name}": getattr(self, name) for name in ("inner", "bias", "outer")}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray[Any, Any]]) -> Network | None:
        """The inverse of ``tensors``; None where there is none. Raises ``KeyError`` where a part of it is missing."""
        if "network_inner" not in tensors:
            return None
        return cls(*(np.asarray(tensors[f"network_{name}"], np.float32) for name in ("inner", "bias", "outer")))


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """Affine: (x − center) @ projection, clipped for single odd texts. center (D,), projection (D, F); clip: ∞ for none.

    With a ``network`` what that makes of the F numbers stands after them.
    """

    center: Array
    projection: Array
    clip: float = STYLE_CLIP
    network: Network | None = None

    @property
    def is_linear(self) -> bool:
        """Whether rewards that are linear in the mapped features are linear in the vectors."""
        return self.network is None and not np.isfinite(self.clip) and not self.center.any()

    def __call__(self, vectors: Array) -> Array:
        """(N, D) to (N, F). Raises ``EncoderMismatch`` for another width than was fitted."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.center):
            raise EncoderMismatch(f"features have shape {vectors.shape}, expected (n, {len(self.center)})")
        mapped = np.clip((vectors - self.center) @ self.projection, -self.clip, self.clip).astype(np.float32)
        return mapped if self.network is None else np.concatenate([mapped, self.network(mapped)], axis=1)

    def tensors(self) -> dict[str, Array]:
        """What ``from_tensors`` reads back."""
        return {
            "feature_center": self.center,
            "feature_projection": self.projection,
            "feature_clip": np.array([self.clip], np.float32),
            **({} if self.network is None else self.network.tensors()),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray[Any, Any]]) -> FeatureMap:
        """The inverse of ``tensors``; artifacts of before clipping was a choice have none. Raises ``KeyError``."""
        clip = tensors.get("feature_clip")
        center, projection = (np.asarray(tensors[f"feature_{name}"], np.float32) for name in ("center", "projection"))
        network = Network.from_tensors(tensors)
        return cls(center, projection, STYLE_CLIP if clip is None else float(clip[0]), network)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A snapshot ready for fitting: N responses, their prompts as numbers (N,), vectors (N, D), mapped (N, F); words (P,)
    are those of which the comparisons' reasons are made."""

    ids: tuple[str, ...]
    groups: Ints
    vectors: Array
    feature_map: FeatureMap
    mapped: Array
    comparisons: Comparisons
    encoder: str
    words: tuple[str, ...] = ()


def prepare(snapshot: Snapshot, features: Mapping[str, Array], encoder: str) -> Prepared:
    """Index a snapshot and fit the feature map. Raises ``BadData`` or ``EncoderMismatch`` where they do not fit."""
    ids, comparisons = index_snapshot(snapshot)
    words, reasons = reasons_of([(each.annotator, spoken_in(each)) for each in snapshot.judgments if not each.repeat])
    comparisons = replace(comparisons, reasons=reasons)
    vectors = feature_matrix(ids, features)
    groups = prompt_groups([snapshot.responses[key] for key in ids])
    feature_map = fit_feature_map(vectors, groups, encoder)
    return Prepared(tuple(ids), groups, vectors, feature_map, feature_map(vectors), comparisons, encoder, words)


def fit_feature_map(vectors: Array, groups: Ints, encoder: str) -> FeatureMap:
    """Scale by how responses differ *within* a prompt, as only such differences decide a comparison.

    Style features get unit spread each; dense features are turned onto their first principal directions, which
    share one scale, so that their spectrum stays. vectors (N, D), groups (N,).

    An encoder whose rewards shall be linear has no center to subtract: the direction of the mean is projected out instead,
    which leaves mapped features without a mean just the same.
    """
    if is_linear_encoder(encoder):
        return _linear_map(vectors, groups)
    center = vectors.mean(axis=0)
    within = _within(vectors, groups)
    style = style_columns(encoder)
    is_style = np.zeros(vectors.shape[1], bool)
    if style is not None and style.stop <= vectors.shape[1]:
        is_style[style] = True
    blocks = []
    if not is_style.all():
        blocks.append(_principal(within, ~is_style))
    if is_style.any():
        blocks.append(np.diag(1.0 / (within.std(axis=0) + 0.02))[:, is_style])
    return FeatureMap(center.astype(np.float32), np.concatenate(blocks, axis=1).astype(np.float32))


def _linear_map(vectors: Array, groups: Ints) -> FeatureMap:
    mean = vectors.mean(axis=0, dtype=np.float64)
    along = mean / max(float(np.linalg.norm(mean)), 1e-12)
    within = _within(vectors, groups)
    within = np.asarray(within - np.outer(within @ along, along), np.float32)
    projection = _principal(within, np.ones(vectors.shape[1], bool)).astype(np.float64)
    projection -= np.outer(along, along @ projection)
    return FeatureMap(np.zeros(vectors.shape[1], np.float32), projection.astype(np.float32), clip=np.inf)


def _within(vectors: Array, groups: Ints) -> Array:
    """Each vector less its prompt's mean; prompts with one response say nothing, unless there are only such."""
    counts = np.bincount(groups)
    sums = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(sums, groups, vectors)
    several = counts[groups] > 1
    if not several.any():
        return np.asarray(vectors - vectors.mean(axis=0), np.float32)
    centred = vectors - (sums / counts[:, None])[groups]
    return np.asarray(centred[several], np.float32)


def _principal(within: Array, dense: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Array:
    """Projection (D, F) onto the leading directions of the dense columns, scaled by the spread along the first."""
    _, spread, directions = np.linalg.svd(within[:, dense], full_matrices=False)
    kept = min(DENSE_DIMENSIONS, int((spread > 1e-4 * max(float(spread[0]), 1e-12)).sum()))
    projection = np.zeros((within.shape[1], max(kept, 1)), np.float32)
    projection[dense, :kept] = directions[:kept].T * (np.sqrt(len(within)) / max(float(spread[0]), 1e-12))
    return projection
