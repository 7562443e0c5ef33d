"""A reward model as a folder that ``AutoModelForSequenceClassification`` loads: a language model with one linear head.

``num_labels=1``, safetensors in float32, no code of ours. Written tensor by tensor without torch, so that the web can do
it and a large base needs no memory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from attune.causal import MAX_TOKENS, read_config
from attune.errors import ArtifactError
from attune.rewards.base import Array

HEAD = "score.weight"
_DROPPED = ("lm_head.", "embed_out.")
"""What turns states into words."""
_WORDS = (
    "tokenizer.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
_DTYPES = {"F32": 4, "F16": 2, "BF16": 2}
_PIECE = 1 << 22


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Where a tensor lies: its file, its type and shape, and its bytes there."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    size: int

    @property
    def new_size(self) -> int:
        return self.size // _DTYPES[self.dtype] * 4


def write_classifier(base: Path, head: Array, folder: Path, *, card: str, about: Mapping[str, object]) -> None:
    """Write the folder, which must be there and empty. head (D,): the reward is ⟨head, last state⟩. ``card`` becomes
    README.md, ``about`` attune.json. Raises ``ArtifactError`` for a base that does not fit."""
    config = dict(read_config(base))
    _write_config(base, config, folder)
    _write_tokenizer(base, folder)
    tensors = {name: each for name, each in _tensors(base).items() if not name.startswith(_DROPPED)}
    with (folder / "model.safetensors").open("wb") as out:
        _write_tensors(tensors, np.asarray(head, "<f4"), out)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "attune.json").write_text(
        json.dumps(about, indent=2, ensure_ascii=False, sort_keys=True), encoding="utf-8"
    )


def _write_config(base: Path, config: dict[str, Any], folder: Path) -> None:
    (named,) = config.get("architectures") or [""]
    causal = str(named)
    for ending in ("ForCausalLM", "LMHeadModel"):
        if causal.endswith(ending):
            kind = causal.removesuffix(ending) + "ForSequenceClassification"
            break
    else:
        raise ArtifactError(f"{base} has the architecture {causal!r}; expected a causal language model")
    config |= {
        "architectures": [kind],
        "id2label": {"0": "reward"},
        "label2id": {"reward": 0},
        "problem_type": "regression",
        "dtype": "float32",
        "pad_token_id": _pad_token_id(base),
    }
    config.pop("torch_dtype", None)
    _write_json(folder / "config.json", config)


def _write_tokenizer(base: Path, folder: Path) -> None:
    for name in _WORDS:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    settings = _read_json(base / "tokenizer_config.json")
    settings |= {"padding_side": "right", "truncation_side": "left", "model_max_length": MAX_TOKENS}
    settings["pad_token"] = settings.get("pad_token") or settings.get("eos_token")
    _write_json(folder / "tokenizer_config.json", settings)


def _pad_token_id(base: Path) -> int:
    settings = _read_json(base / "tokenizer_config.json")
    named = settings.get("pad_token") or settings.get("eos_token")
    text = named.get("content") if isinstance(named, dict) else named
    added = _read_json(base / "tokenizer.json").get("added_tokens", [])
    for token in added:
        if token.get("content") == text:
            return int(token["id"])
    raise ArtifactError(f"the tokenizer in {base} has neither a pad token nor an end token among its added tokens")


def _tensors(base: Path) -> dict[str, _Tensor]:
    found: dict[str, _Tensor] = {}
    for path in sorted(base.glob("*.safetensors")):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        for name, each in header.items():
            if name == "__metadata__":
                continue
            if each["dtype"] not in _DTYPES:
                raise ArtifactError(f"{path} holds {name} as {each['dtype']}; expected one of {', '.join(_DTYPES)}")
            begin, end = each["data_offsets"]
            found[name] = _Tensor(path, each["dtype"], tuple(each["shape"]), 8 + length + begin, end - begin)
    if not found:
        raise ArtifactError(f"{base} holds no *.safetensors")
    return found


def _write_tensors(tensors: Mapping[str, _Tensor], head: Array, out: BinaryIO) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, each in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(each.shape), "data_offsets": [at, at + each.new_size]}
        at += each.new_size
    header[HEAD] = {"dtype": "F32", "shape": [1, len(head)], "data_offsets": [at, at + 4 * len(head)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    out.write(len(text).to_bytes(8, "little") + text)
    for each in tensors.values():
        out.writelines(_as_float32(each))
    out.write(head.tobytes())


def _as_float32(tensor: _Tensor) -> Iterator[bytes]:
    """Its numbers in pieces; a bfloat16 is the upper half of a float32."""
    with tensor.path.open("rb") as file:
        file.seek(tensor.begin)
        left = tensor.size
        while left:
            piece = file.read(min(_PIECE, left))
            if not piece:
                raise ArtifactError(f"{tensor.path} is cut off")
            left -= len(piece)
            if tensor.dtype == "BF16":
                yield (np.frombuffer(piece, "<u2").astype("<u4") << 16).tobytes()
            elif tensor.dtype == "F16":
                yield np.frombuffer(piece, "<f2").astype("<f4").tobytes()
            else:
                yield piece


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from None
    return found


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")
