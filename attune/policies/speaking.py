"""Several policies answer one prompt, one after the other; each text is told as it grows.

Every base model is loaded once, and the adapters over it one at a time, so that many policies need no more memory than one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

from attune.errors import AttuneError, BadData, Cancelled
from attune.fspo.describing import Describe
from attune.fspo.prompts import Shot
from attune.policies.base import Base, load_base
from attune.policies.directions import directed_prompt
from attune.policies.errors import translated
from attune.policies.examples import described_by
from attune.policies.generate import Sample, generate, prompt_tokens, text_of
from attune.policies.prompts import Message, describing_prompt, few_shot_prompt
from attune.policies.saving import ADAPTER_CONFIG, check_base

MOST_READER = 64
"""Tokens of a description that a voice writes."""
TELL_EVERY = 0.3
"""Seconds between two growths of a text that are told."""

Tell = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Voice:
    """Who answers: the policy stored in ``policy``, or (None) its base model as it is. ``key`` names it in what is told.

    ``direction`` stands in its prompt, for those that read one; empty: none.
    """

    key: str
    base: str
    revision: str = ""
    chat_template: str = ""
    policy: Path | None = None
    direction: tuple[float, ...] = ()
    describe: Describe = "off"
    """Whether it reads in words whom it answers, as it has learnt to: as given, or as it first writes it itself."""
    shots: int | None = None
    """So many judgments of a reader it has learnt to read; None is as many as there are, and 0 that it knows no reader."""

    @classmethod
    def of_plan(cls, planned: Mapping[str, Any]) -> Voice:
        """One of the voices of a job's plan, as JSON has it."""
        folder, direction = planned["policy"], tuple(planned.get("direction", ()))
        return cls(**{**planned, "policy": Path(folder) if folder else None, "direction": direction})

    @property
    def ground(self) -> tuple[str, str, str]:
        """What two voices on one base model share."""
        return self.base, self.revision, self.chat_template


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom the answer is for: judgments of theirs, and what is known of them in words."""

    shots: tuple[Shot, ...] = ()
    words: str = ""

    @classmethod
    def of_plan(cls, planned: Mapping[str, Any]) -> Reader:
        """As JSON has it."""
        return cls(tuple(Shot(**each) for each in planned["shots"]), planned["words"])


@dataclass(frozen=True, slots=True)
class Manner:
    """How they answer: the temperature (0 is greedy), the seed and the cap on length in tokens."""

    temperature: float = 1.0
    seed: int = 0
    most_tokens: int = 256


def speak(
    voices: Sequence[Voice],
    conversation: Sequence[Message],
    manner: Manner,
    *,
    tell: Tell,
    reader: Reader | None = None,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Let each voice answer, its reader's judgments in the prompt where there is one. ``tell`` gets its ``key`` with the growing
    ``text``, at the end with ``finished``, ``tokens`` and ``seconds`` too, or with the ``error`` that kept it from answering, which
    does not keep the others; and first with the ``reader`` in words where the voice reads that.

    Raises ``Cancelled`` where a stop is asked for, and ``BadData`` for a manner out of range.
    """
    for ground, group in groupby(sorted(voices, key=lambda each: each.ground), key=lambda each: each.ground):
        mine = sorted(group, key=lambda each: each.policy is not None)  # the bare base before any adapter
        try:
            base = load_base(ground[0], ground[1], chat_template=ground[2])
        except Exception as error:
            _tell_all(mine, error, tell)
            continue
        for voice in mine:
            try:
                with model_of(voice, base) as model:
                    asked = _told_of(reader, voice, model, base, conversation, tell) if reader else conversation
                    _answer(voice, model, base, asked, manner, tell, asked_to_stop)
            except Cancelled:
                raise
            except Exception as error:
                _tell_all([voice], error, tell)


def _tell_all(voices: Sequence[Voice], error: Exception, tell: Tell) -> None:
    """The reason in words for each; what we do not know goes up."""
    known = translated(error)
    if not isinstance(known, AttuneError):
        raise error
    for each in voices:
        tell({"key": each.key, "error": str(known)})


def _told_of(
    reader: Reader, voice: Voice, model: Any, base: Base, conversation: Sequence[Message], tell: Tell
) -> Sequence[Message]:
    """The conversation with what its reader judged, and what they like in words where the voice reads that."""
    if voice.shots == 0:
        return conversation
    shots, words = reader.shots[-(voice.shots or len(reader.shots)) :], ""
    if voice.describe != "off":
        written = voice.describe == "written" and shots
        words = _written(model, base, shots) if written else reader.words or described_by(shots)
        tell({"key": voice.key, "reader": words})
    return few_shot_prompt(conversation, shots, words) if shots or words else conversation


def _written(model: Any, base: Base, shots: Sequence[Shot]) -> str:
    """What the model writes of the reader after their judgments, always its likeliest words."""
    asked, most = describing_prompt(shots), Manner(most_tokens=MOST_READER)
    _check_room(base, asked, most)
    [[sample]] = generate(model, base.tokenizer, [asked], temperatures=(0.0,), max_new_tokens=MOST_READER)
    return sample.text


def _answer(
    voice: Voice,
    model: Any,
    base: Base,
    conversation: Sequence[Message],
    manner: Manner,
    tell: Tell,
    asked_to_stop: Callable[[], bool],
) -> None:
    if voice.direction:
        conversation = directed_prompt(conversation, voice.direction)
    _check_room(base, conversation, manner)
    tell({"key": voice.key, "text": ""})
    began = time.monotonic()
    growing = _Growing(base.tokenizer, lambda text: tell({"key": voice.key, "text": text}), asked_to_stop)
    [[sample]] = generate(
        model,
        base.tokenizer,
        [conversation],
        temperatures=(manner.temperature,),
        max_new_tokens=manner.most_tokens,
        seed=manner.seed,
        streamer=growing,
    )
    tell({"key": voice.key, **_said(sample), "seconds": round(time.monotonic() - began, 2)})


def _said(sample: Sample) -> dict[str, object]:
    return {"text": sample.text, "finished": sample.finished, "tokens": len(sample.tokens)}


def _check_room(base: Base, conversation: Sequence[Message], manner: Manner) -> None:
    room = int(getattr(base.model.config, "max_position_embeddings", None) or 0)
    asked = len(prompt_tokens(base.tokenizer, conversation))
    if room and asked + manner.most_tokens > room:
        raise BadData(
            f"The prompt has {asked} tokens, and the base model {base.name!r} takes {room} with the response, which may have"
            f" {manner.most_tokens}. Write a shorter prompt, or allow less."
        )


@contextmanager
def model_of(voice: Voice, base: Base) -> Iterator[Any]:
    """The voice's model; an adapter is taken off the base model again."""
    folder = voice.policy
    if folder is None:
        yield base.model
        return
    check_base(folder, base)
    if not (folder / ADAPTER_CONFIG).is_file():
        whole = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, dtype=base.model.dtype, trust_remote_code=False
        )
        yield whole.to(base.model.device)
        return
    adapted = PeftModel.from_pretrained(base.model, folder)
    try:
        yield adapted
    finally:
        adapted.unload()


class _Growing(BaseStreamer):
    """Tells the text every ``TELL_EVERY`` seconds. Raises ``Cancelled`` at the token after a stop was asked for."""

    def __init__(self, tokenizer: Any, tell: Callable[[str], None], asked_to_stop: Callable[[], bool]) -> None:
        self.tokenizer, self.tell, self.asked_to_stop = tokenizer, tell, asked_to_stop
        self.tokens: list[int] | None = None  # None until the prompt has passed
        self.told_at = time.monotonic()

    def put(self, value: Any) -> None:
        """The prompt first, then each token."""
        if self.asked_to_stop():
            raise Cancelled("The policies were stopped while they answered.")
        if self.tokens is None:
            self.tokens = []
            return
        self.tokens += value.flatten().tolist()
        if time.monotonic() - self.told_at >= TELL_EVERY:
            self.tell(text_of(self.tokenizer, self.tokens))
            self.told_at = time.monotonic()

    def end(self) -> None:
        """The whole text is told by the caller."""
