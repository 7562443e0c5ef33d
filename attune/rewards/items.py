"""Items by id: what a fitted model keeps of every response it has seen, and how it makes one of a response's features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from attune.errors import ArtifactError, UnknownResponse
from attune.rewards.base import Array
from attune.rewards.feature_map import FeatureMap
from attune.rewards.indexing import feature_matrix


@dataclass(frozen=True, slots=True)
class ItemTable:
    """ids and table (N, K): known responses and their items. text_weights (F, K): items of others, from mapped features."""

    ids: tuple[str, ...]
    table: Array
    feature_map: FeatureMap
    text_weights: Array
    row_of: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row_of", {key: row for row, key in enumerate(self.ids)})

    def items(self, ids: Sequence[str], features: Mapping[str, Array] | None = None) -> Array:
        """See ``RewardModel.items``."""
        if features is None and (known := self._rows_of(ids)) is not None:
            return self.table.take(known, axis=0)
        rows = np.array([self.row_of.get(key, -1) for key in ids], np.int64)
        unseen = [key for key, row in zip(ids, rows, strict=True) if row < 0]
        items = self.table[rows] if len(self.ids) else np.zeros((len(ids), self.table.shape[1]), np.float32)
        if unseen:
            without = [key for key in unseen if key not in (features or {})]
            if without:
                raise UnknownResponse(
                    f"{len(without)} responses are unknown and have no features: {', '.join(without[:5])}"
                )
            items[rows < 0] = self.of_features(feature_matrix(unseen, features or {}))
        return items

    def _rows_of(self, ids: Sequence[str]) -> list[int] | None:
        """None where any is unknown."""
        try:
            return [self.row_of[key] for key in ids]
        except KeyError:
            return None

    def of_features(self, vectors: Array) -> Array:
        """Items of responses by their text alone, (N, D) to (N, K)."""
        items: Array = self.feature_map(vectors) @ self.text_weights
        return items

    def knows(self, ids: Sequence[str]) -> list[bool]:
        """See ``RewardModel.knows``."""
        return [key in self.row_of for key in ids]

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """What ``from_tensors`` reads back; the ids go into the configuration."""
        return {
            "table": self.table,
            **self.feature_map.tensors(),
            "text_weights": self.text_weights,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]], ids: object) -> ItemTable:
        """The inverse of ``tensors``. Raises ``KeyError`` for a missing one, ``ArtifactError`` where they do not fit."""
        of = {name: np.asarray(tensors[name], np.float32) for name in ("table", "text_weights")}
        made = cls(
            tuple(ids if isinstance(ids, list) else ()),
            of["table"],
            FeatureMap.from_tensors(tensors),
            of["text_weights"],
        )
        if len(made.table) != len(made.ids) or made.text_weights.shape[1] != made.table.shape[1]:
            raise ArtifactError(
                f"items do not fit together: {len(made.ids)} ids, table {made.table.shape}, "
                f"text weights {made.text_weights.shape}"
            )
        return made
