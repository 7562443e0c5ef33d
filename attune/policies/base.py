"""The language model that a policy starts from, with its tokenizer: the tiny one, a Hugging Face name, or a folder."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from attune.policies.errors import BaseModelError
from attune.policies.tiny import TINY, tiny_folder

COMMIT = re.compile(r"[0-9a-f]{40}")
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
HEAD_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Base:
    """A loaded base model. ``fingerprint`` tells two bases apart without reading all their weights."""

    model: Any
    tokenizer: Any
    name: str
    revision: str
    fingerprint: str
    notes: tuple[str, ...]


def load_base(name: str, revision: str = "", *, chat_template: str = "", to_learn: bool = False) -> Base:
    """Load a causal LM from safetensors, without remote code: float32 on a CPU, bfloat16 on a GPU, but float32 there, too, where
    its own weights are ``to_learn``, since steps are smaller than what bfloat16 tells apart.

    Raises ``BaseModelError`` for a Hugging Face name without a pinned commit, for files that are missing or not safetensors,
    and for a tokenizer without a chat template.
    """
    source, known = _source(name, revision)
    options: dict[str, Any] = {"trust_remote_code": False} | ({"revision": revision} if revision else {})
    dtype = torch.bfloat16 if torch.cuda.is_available() and not to_learn else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(source, use_safetensors=True, dtype=dtype, **options)
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError) as error:
        raise BaseModelError(f"The base model {name!r} cannot be loaded: {str(error).splitlines()[0]}") from error
    notes = _prepare(tokenizer, name, chat_template)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return Base(model, tokenizer, name, revision, known or f"{name}@{revision}", notes)


def _source(name: str, revision: str) -> tuple[str, str]:
    """Where to load from, and the fingerprint of a folder."""
    folder = tiny_folder() if name == TINY else Path(name)
    if folder.is_dir():
        weights = sorted(folder.glob("*.safetensors"))
        if not weights or not (folder / "config.json").is_file():
            raise BaseModelError(
                f"The folder {name!r} holds no config.json with *.safetensors; expected a saved model."
            )
        digest = hashlib.sha256((folder / "config.json").read_bytes())
        for each in weights:
            with each.open("rb") as content:
                digest.update(f"{each.name}:{each.stat().st_size}".encode() + content.read(HEAD_BYTES))
        return str(folder), digest.hexdigest()
    if name == TINY or name.startswith((".", "/")):
        raise BaseModelError(f"There is no model folder {name!r}.")
    if not COMMIT.fullmatch(revision):
        raise BaseModelError(
            f"The base model {name!r} has revision {revision!r}; expected the 40 hex digits of a commit, so that the"
            " same run gives the same policy tomorrow."
        )
    return name, ""


def _prepare(tokenizer: Any, name: str, chat_template: str) -> tuple[str, ...]:
    notes = []
    if chat_template == "plain":
        tokenizer.chat_template = PLAIN_TEMPLATE
    if not tokenizer.chat_template:
        raise BaseModelError(
            f"The tokenizer of {name!r} has no chat template; choose an instruct model, or set chat_template to 'plain'."
        )
    if tokenizer.eos_token is None:
        raise BaseModelError(f"The tokenizer of {name!r} has no end-of-text token, so no response could ever end.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        notes.append("The tokenizer has no pad token; its end-of-text token fills the rows and is masked.")
    return tuple(notes)
