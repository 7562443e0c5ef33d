"""Prompts and responses as tokens of the tiny language model, and few-shot prompts put together from them. No torch.

``tokens`` is an encoder: a text's vector is the text itself, [tokens of the prompt, tokens of the response, 1 if it was cut, the
tokens, zeros]. A prompt that is too long loses its beginning and a response its end.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attune.errors import ArtifactError, EncoderMismatch
from attune.fspo.prompts import DESCRIBE, GAP, OTHER, PREFERRED, READER

Array = NDArray[np.float32]
Ints = NDArray[np.int64]

NAME = "tokens"
START = "ATTUNE_FSPO_START"
"""Environment variable with the folder of a language model of the tiny one's shape, meta-trained before."""
PROMPT_TOKENS, RESPONSE_TOKENS = 128, 253
DESCRIPTION_TOKENS = 64
HEAD = 3
WIDTH = HEAD + PROMPT_TOKENS + RESPONSE_TOKENS
FOLDER = Path(__file__).parents[1] / "policies" / "tiny" / "model"
BEGIN, END, USER, ASSISTANT = "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>"


class TokenEncoder:
    """See the head of this file."""

    name = NAME
    dim = WIDTH

    def encode(self, texts: Sequence[tuple[str, str]]) -> Array:
        """See ``attune.encoders.Encoder.encode``."""
        found = np.zeros((len(texts), WIDTH), np.float32)
        for row, (prompt, response) in zip(found, texts, strict=True):
            whole = _whole(prompt, response)
            text = tokens_of(prompt, response)
            row[:HEAD] = len(text.asked), len(text.said), text != whole
            row[HEAD : HEAD + len(text.asked) + len(text.said)] = text.asked + text.said
        return found


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt and a response in tokens."""

    asked: tuple[int, ...]
    said: tuple[int, ...]


def tokens_of(prompt: str, response: str) -> Text:
    """Both in tokens, cut to what a vector holds."""
    whole = _whole(prompt, response)
    return Text(whole.asked[-PROMPT_TOKENS:], whole.said[:RESPONSE_TOKENS])


def _whole(prompt: str, response: str) -> Text:
    return Text(tuple(_ids(prompt.strip())), tuple(_ids(response.strip())))


def text_of(row: Array) -> Text:
    """What a vector of ``TokenEncoder`` holds. Raises ``EncoderMismatch`` for a row that is none."""
    if row.shape != (WIDTH,):
        raise EncoderMismatch(f"a row of the encoder {NAME!r} has {WIDTH} numbers; this one is {row.shape}")
    asked, said = int(row[0]), int(row[1])
    if not (0 <= asked <= PROMPT_TOKENS and 0 <= said <= RESPONSE_TOKENS):
        raise EncoderMismatch(f"the vectors are not of the encoder {NAME!r}: {asked} and {said} tokens")
    ids = row[HEAD : HEAD + asked + said].astype(np.int64).tolist()
    return Text(tuple(ids[:asked]), tuple(ids[asked:]))


class Pieces:
    """The fixed parts of a few-shot prompt in tokens."""

    def __init__(self) -> None:
        self.begin, self.end, self.user, self.assistant = (_token(each) for each in (BEGIN, END, USER, ASSISTANT))
        self.preferred, self.other = _ids(PREFERRED), _ids(OTHER)
        self.gap = _ids(f"{GAP}x")[:-1]
        self.describe = _ids(DESCRIBE)

    def shot(self, preferred: Text, other: Text) -> list[int]:
        """One shot with the gap after it; both texts answer one prompt."""
        return [*preferred.asked, *self.preferred, *preferred.said, *self.other, *other.said, *self.gap]

    def opening(self, shots: Sequence[Sequence[int]]) -> list[int]:
        """Everything before the question."""
        return [self.begin, self.user, *(token for shot in shots for token in shot)]

    def reader(self, description: str) -> list[int]:
        """What is known of the reader, with the gap after it; nothing where nothing is known."""
        return [*_ids(f"{READER}{description}")[:DESCRIPTION_TOKENS], *self.gap] if description else []

    def describing(self, description: str) -> tuple[list[int], list[int]]:
        """What asks for a description after the opening, and the description with its end."""
        return [*self.describe, self.end, self.assistant], [*_ids(description)[:DESCRIPTION_TOKENS], self.end]

    def closing(self, text: Text) -> tuple[list[int], list[int]]:
        """What follows the opening: the question up to where the answer begins, and the answer with its end."""
        return [*text.asked, self.end, self.assistant], [*text.said, self.end]


def words_of(tokens: Sequence[int]) -> str:
    """Tokens as text; special ones are left out."""
    text: str = _tokenizer().decode(list(tokens), skip_special_tokens=True)
    return text.strip()


@functools.cache
def pieces() -> Pieces:
    """The parts, made once."""
    return Pieces()


def start_folder() -> Path:
    """The language model that learning starts from: the tiny one, or another of its shape that the operator names.

    Raises ``ArtifactError`` where that is of another shape.
    """
    folder = Path(os.environ.get(START) or FOLDER)
    try:
        same = [json.loads((each / "config.json").read_text()) for each in (folder, FOLDER)]
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{START} names {str(folder)!r}, which holds no language model: {error}") from None
    for name in ("model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"):
        if same[0].get(name) != same[1][name]:
            raise ArtifactError(
                f"{START}: {name} is {same[0].get(name)!r}; expected the tiny model's, {same[1][name]!r}"
            )
    return folder


def copy_tokenizer(folder: Path) -> None:
    """The tiny model's tokenizer beside other weights."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(FOLDER / name, folder / name)


@functools.cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    made.encode_special_tokens = True  # what somebody writes never ends a message or begins another
    return made


def _ids(text: str) -> list[int]:
    return list(_tokenizer().encode(text, add_special_tokens=False).ids)


def _token(name: str) -> int:
    return int(_tokenizer().token_to_id(name))
