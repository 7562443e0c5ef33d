"""Causal language models as encoders: the last hidden state after the whole conversation, float32.

It is what ``…ForSequenceClassification`` of the same architecture puts its head on (``transformers``), so that a reward
which is linear in it can be taken away as such a model (``attune.classifier``). Importing this loads no torch.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.errors import ArtifactError, BadData

Array = NDArray[np.float32]

FOLDERS = "ATTUNE_LM_ENCODERS"
"""Environment variable with more of them: ``name=folder``, separated by commas. A name stands for its weights for ever."""
TINY = "tiny"
ARCHITECTURES = ("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3")
"""Model types whose sequence classifier is a linear head without bias on the last token's state."""
MAX_TOKENS = 1024
BATCH = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,30}")


class CausalEncoder:
    """The state (D,) of the last token of prompt and response in the model's chat template; the last ``MAX_TOKENS`` of it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.dim = int(read_config(folder)["hidden_size" if "hidden_size" in read_config(folder) else "n_embd"])

    def encode(self, texts: Sequence[tuple[str, str]]) -> Array:
        """See ``attune.encoders.Encoder.encode``. Sorted by length inside, so that batches carry little padding."""
        import torch

        found = np.zeros((len(texts), self.dim), np.float32)
        if not texts:
            return found
        model, tokenizer = _loaded(self.folder)
        rows = [tokens_of(tokenizer, prompt, response) for prompt, response in texts]
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            padded = tokenizer.pad({"input_ids": [rows[row] for row in batch]}, return_tensors="pt")
            with torch.inference_mode():
                states = model(**padded).last_hidden_state
            places = torch.arange(states.shape[1])
            last = torch.where(padded["input_ids"] != tokenizer.pad_token_id, places, 0).argmax(dim=-1)
            found[batch] = states[torch.arange(len(batch)), last].numpy()
        return found


def tokens_of(tokenizer: Any, prompt: str, response: str) -> list[int]:
    """As TRL makes them of a conversation: its chat template, without further special tokens."""
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens[-MAX_TOKENS:]


def causal_encoders() -> dict[str, Path]:
    """Folders by name: ``tiny``, which ships with Attune, and those that the environment names. Raises ``BadData``."""
    found = {TINY: Path(__file__).parent / "policies" / "tiny" / "model"}
    for each in filter(None, os.environ.get(FOLDERS, "").split(",")):
        name, _, folder = each.strip().partition("=")
        if not _NAME.fullmatch(name) or name in (TINY, "style", "minilm") or not folder:
            raise BadData(
                f"{FOLDERS} has {each!r}; expected name=folder with a name of its own in a-z, 0-9, _, . and -"
            )
        found[name] = Path(folder)
    return found


@functools.cache
def read_config(folder: Path) -> Mapping[str, Any]:
    """The model's ``config.json``. Raises ``ArtifactError`` where it is not there or not of ``ARCHITECTURES``."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder} holds no language model: its config.json cannot be read ({error})") from None
    if config.get("model_type") not in ARCHITECTURES:
        raise ArtifactError(
            f"{folder} is a {config.get('model_type')!r} model; expected one of {', '.join(ARCHITECTURES)}"
        )
    return config


@functools.cache
def _loaded(folder: Path) -> tuple[Any, Any]:
    """Model and tokenizer, once per process; without network, remote code or pickle."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from transformers import AutoModel, AutoTokenizer

    try:
        model = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    if not tokenizer.chat_template:
        raise ArtifactError(f"the tokenizer in {folder} has no chat template")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return model.eval(), tokenizer
