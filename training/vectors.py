"""Text vectors in Postgres: each text is encoded once, for ever, whoever needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from psycopg2 import Binary

from annotator.statements import Statement

Array = NDArray[np.float32]

_STORED = np.dtype("<f4")
_BATCH = 2_000

_FIND = Statement("""
SELECT digest, vector FROM training_textvector WHERE encoder = %(encoder)s AND digest = ANY(%(digests)s::text[])
""")
_KEEP = Statement("""
INSERT INTO training_textvector (encoder, digest, vector)
SELECT %(encoder)s, * FROM unnest(%(digests)s::text[], %(vectors)s::bytea[])
ON CONFLICT DO NOTHING RETURNING true
""")


class PostgresVectorStore:
    """An ``attune.encoders.VectorStore`` on the ``TextVector`` table. Any number of readers and writers."""

    def get_many(self, encoder: str, digests: Sequence[str]) -> dict[str, Array]:
        """The vectors that are there, each (dim,) float32; missing digests are left out."""
        return {
            digest: np.frombuffer(vector, _STORED).astype(np.float32, copy=False)
            for batch in _batches(list(dict.fromkeys(digests)))
            for digest, vector in _FIND.run({"encoder": encoder, "digests": list(batch)})
        }

    def put_many(self, encoder: str, vectors: Mapping[str, Array]) -> None:
        """Add vectors, each (dim,). Those already there stay: equal texts have equal vectors.

        In the order of their digests, so that two writers of the same texts wait for each other and never deadlock. At
        leisure: what a power cut takes is encoded again.
        """
        for batch in _batches(sorted(vectors)):
            stored = [Binary(np.asarray(vectors[digest], _STORED).tobytes()) for digest in batch]
            _KEEP.run_at_leisure({"encoder": encoder, "digests": list(batch), "vectors": stored})


def _batches(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    return (digests[start : start + _BATCH] for start in range(0, len(digests), _BATCH))
