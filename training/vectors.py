"""Text vectors in Postgres: each text is encoded once, for ever, whoever needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.models import TextVector

Array = NDArray[np.float32]

_STORED = np.dtype("<f4")
_BATCH = 2_000


class PostgresVectorStore:
    """An ``attune.encoders.VectorStore`` on the ``TextVector`` table. Any number of readers and writers."""

    def get_many(self, encoder: str, digests: Sequence[str]) -> dict[str, Array]:
        """The vectors that are there, each (dim,) float32; missing digests are left out."""
        rows = TextVector.objects.filter(encoder=encoder).values_list("digest", "vector")
        return {
            digest: np.frombuffer(vector, _STORED).astype(np.float32, copy=False)
            for batch in _batches(list(dict.fromkeys(digests)))
            for digest, vector in rows.filter(digest__in=batch)
        }

    def put_many(self, encoder: str, vectors: Mapping[str, Array]) -> None:
        """Add vectors, each (dim,). Those already there stay: equal texts have equal vectors.

        In the order of their digests, so that two writers of the same texts wait for each other and never deadlock.
        """
        for batch in _batches(sorted(vectors)):
            rows = [
                TextVector(encoder=encoder, digest=digest, vector=np.asarray(vectors[digest], _STORED).tobytes())
                for digest in batch
            ]
            TextVector.objects.bulk_create(rows, ignore_conflicts=True)


def _batches(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    return (digests[start : start + _BATCH] for start in range(0, len(digests), _BATCH))
