"""What travels between the scorer and its clients: JSON texts in, raw float32 rows out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from attune.errors import BadData

Array = NDArray[np.float32]
Text = tuple[str, str]
"""A prompt and a response, as ``attune.encoders`` reads them."""

DIM_HEADER = "attune-dim"
VECTOR_TYPE = "application/octet-stream"
MAX_TEXTS = 4096
MAX_BODY_BYTES = 32 * 1024 * 1024


def pack_texts(encoder: str, texts: Sequence[Text]) -> bytes:
    """The body of ``POST /encode``."""
    return orjson.dumps({"encoder": encoder, "texts": texts})


def unpack_texts(body: bytes) -> tuple[str, list[Text]]:
    """The encoder's name and the texts. Raises ``BadData`` saying what is wrong."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadData(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict) or set(given) != {"encoder", "texts"}:
        raise BadData("expected an object with exactly the fields 'encoder' and 'texts'")
    encoder, texts = given["encoder"], given["texts"]
    if not isinstance(encoder, str):
        raise BadData(f"'encoder' is {encoder!r}; expected a name")
    if not isinstance(texts, list) or not 1 <= len(texts) <= MAX_TEXTS:
        raise BadData(f"'texts' must be a list of 1 to {MAX_TEXTS} [prompt, response]")
    return encoder, [_text(index, each) for index, each in enumerate(texts)]


def _text(index: int, given: object) -> Text:
    if not isinstance(given, list) or len(given) != 2:
        raise BadData(f"texts[{index}] must be [prompt, response]")
    prompt, response = given
    if not isinstance(prompt, str) or not isinstance(response, str):
        raise BadData(f"texts[{index}] must hold two texts")
    return prompt, response


def pack_vectors(vectors: Array) -> bytes:
    """Vectors (N, D) as float32, little-endian, row by row."""
    return np.ascontiguousarray(vectors, "<f4").tobytes()


def unpack_vectors(body: bytes, count: int, dim: int) -> Array:
    """The inverse of ``pack_vectors``, (count, dim). Raises ``BadData`` for another size or a NaN."""
    if len(body) != count * dim * 4:
        raise BadData(f"the answer has {len(body)} bytes; expected {count} vectors of {dim} float32")
    vectors = np.frombuffer(body, "<f4").reshape(count, dim).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise BadData("the answer holds a value that is not a finite number")
    return vectors
