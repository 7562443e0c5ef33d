"""Policies write responses to many prompts, in batches: what rounds put to annotators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attune.errors import BadData, Cancelled
from attune.policies.base import Base, load_base
from attune.policies.errors import translated
from attune.policies.generate import generate, prompt_tokens
from attune.policies.prompts import Message
from attune.policies.speaking import Tell, Voice, model_of


@dataclass(frozen=True, slots=True)
class Order:
    """``count`` responses a prompt at each temperature (0 is greedy), of at most ``most_tokens``, ``batch`` at a time."""

    count: int = 4
    temperatures: tuple[float, ...] = (1.0,)
    most_tokens: int = 256
    seed: int = 0
    batch: int = 16


def write(
    voices: Sequence[Voice],
    conversations: Mapping[str, Sequence[Message]],
    order: Order,
    *,
    tell: Tell,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Let each voice write. ``tell`` gets, for each of its prompts, ``key`` and ``prompt`` with the ``samples`` (text, temperature,
    finished, tokens and the seed of their batch), or with the ``error`` that a prompt is too long; and ``step`` of ``steps``.

    Raises ``Cancelled`` between batches where a stop is asked for, ``BadData`` for an order out of range, and ``PolicyError`` where
    a voice cannot write at all.
    """
    told = _Told(tell, len(voices) * len(conversations))
    for voice in voices:
        base = load_base(voice.base, voice.revision, chat_template=voice.chat_template)
        fitting = {name: asked for name, asked in conversations.items() if _fits(base, asked, order)}
        for name in conversations.keys() - fitting.keys():
            told(voice, name, error=_too_long(base, order))
        try:
            with model_of(voice, base) as model:
                for names, seed in _chunks(list(fitting), order):
                    if asked_to_stop():
                        raise Cancelled("The policies were stopped while they wrote.")
                    for name, samples in _written(model, base, {name: fitting[name] for name in names}, order, seed):
                        told(voice, name, samples=samples)
        except Cancelled:
            raise
        except Exception as error:
            raise translated(error) from error


class _Told:
    """Counts what is told."""

    def __init__(self, tell: Tell, steps: int) -> None:
        self.tell, self.step, self.steps = tell, 0, steps

    def __call__(self, voice: Voice, prompt: str, **line: object) -> None:
        self.step += 1
        self.tell({"key": voice.key, "prompt": prompt, **line, "step": self.step, "steps": self.steps})


def _written(
    model: Any, base: Base, asked: Mapping[str, Sequence[Message]], order: Order, seed: int
) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Each prompt with its samples, as they are told."""
    written = generate(
        model,
        base.tokenizer,
        list(asked.values()),
        count=order.count,
        temperatures=order.temperatures,
        max_new_tokens=order.most_tokens,
        batch=order.batch,
        seed=seed,
    )
    for name, samples in zip(asked, written, strict=True):
        yield (
            name,
            [
                {
                    "text": each.text,
                    "temperature": each.temperature,
                    "finished": each.finished,
                    "tokens": len(each.tokens),
                    "seed": seed,
                }
                for each in samples
            ],
        )


def _chunks(names: Sequence[str], order: Order) -> list[tuple[list[str], int]]:
    """So many prompts that their responses at one temperature fill a batch, each chunk with a seed of its own."""
    if order.count < 1 or order.batch < 1:
        raise BadData("count and batch must be at least 1")
    size = max(1, order.batch // order.count)
    return [(list(names[start : start + size]), order.seed + start) for start in range(0, len(names), size)]


def _room(base: Base) -> int:
    return int(getattr(base.model.config, "max_position_embeddings", None) or 0)


def _fits(base: Base, conversation: Sequence[Message], order: Order) -> bool:
    room = _room(base)
    return not room or len(prompt_tokens(base.tokenizer, conversation)) + order.most_tokens <= room


def _too_long(base: Base, order: Order) -> str:
    return (
        f"The prompt and {order.most_tokens} tokens of response do not fit into the {_room(base)} tokens that"
        f" {base.name!r} takes."
    )
