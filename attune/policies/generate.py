"""Responses of a policy: several a prompt, at several temperatures, in batches, with a cap on length."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from attune.errors import BadData

if TYPE_CHECKING:
    from collections.abc import Iterator

from attune.policies.batches import Tokens, log_probs, tensors
from attune.policies.prompts import Message


@dataclass(frozen=True, slots=True)
class Sample:
    """One response. ``finished`` is false where the cap cut it off; ``tokens`` holds the ids, the end included."""

    text: str
    temperature: float
    finished: bool
    tokens: tuple[int, ...]


def generate(
    model: Any,
    tokenizer: Any,
    conversations: Sequence[Sequence[Message]],
    *,
    count: int = 1,
    temperatures: Sequence[float] = (1.0,),
    max_new_tokens: int = 256,
    batch: int = 16,
    seed: int = 0,
    streamer: Any = None,
) -> list[list[Sample]]:
    """For each conversation ``count`` responses at each temperature; 0 is greedy. The same seed gives the same texts.

    ``streamer`` is one of transformers', for batches of one. Raises ``BadData`` for a count, temperature or cap out of range.
    """
    if count < 1 or max_new_tokens < 1 or batch < 1 or any(each < 0 for each in temperatures) or not temperatures:
        raise BadData("count, max_new_tokens and batch must be at least 1, temperatures at least 0 and one at least")
    prompts = [prompt_tokens(tokenizer, each) for each in conversations]
    found: list[list[Sample]] = [[] for _ in conversations]
    with _evaluating(model), torch.random.fork_rng(devices=_devices(model)):
        torch.manual_seed(seed)
        for temperature in temperatures:
            jobs = [place for place in range(len(prompts)) for _ in range(count)]
            for start in range(0, len(jobs), batch):
                places = jobs[start : start + batch]
                batch_prompts = [prompts[each] for each in places]
                samples = _batch(model, tokenizer, batch_prompts, temperature, max_new_tokens, streamer)
                for place, sample in zip(places, samples, strict=True):
                    found[place].append(sample)
    return found


def prompt_tokens(tokenizer: Any, conversation: Sequence[Message]) -> list[int]:
    """A conversation in tokens, up to where the response begins."""
    text = tokenizer.apply_chat_template(list(conversation), tokenize=False, add_generation_prompt=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def response_log_probs(model: Any, tokenizer: Any, prompts: Sequence[list[int]], samples: Sequence[Sample]) -> Any:
    """log π of each sample under the model as it is, (N,)."""
    sequences = [
        Tokens(prompt, list(sample.tokens), [1.0] * len(sample.tokens))
        for prompt, sample in zip(prompts, samples, strict=True)
    ]
    batch = {name: value.to(model.device) for name, value in tensors(sequences, tokenizer.pad_token_id).items()}
    with _evaluating(model), torch.no_grad():
        return log_probs(model, batch)


def _batch(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], temperature: float, cap: int, streamer: Any
) -> list[Sample]:
    width = max(map(len, prompts))
    ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(each)) + each for each in prompts])
    mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in prompts])
    options = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {}
    with torch.no_grad():
        out = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=cap,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            streamer=streamer,
            **({"do_sample": False} | options),
        )
    return [_sample(tokenizer, row, temperature) for row in out[:, width:].tolist()]


def _sample(tokenizer: Any, row: list[int], temperature: float) -> Sample:
    end = tokenizer.eos_token_id
    finished = end in row
    kept = row[: row.index(end) + 1] if finished else row
    return Sample(text_of(tokenizer, kept), temperature, finished, tuple(kept))


def text_of(tokenizer: Any, tokens: Sequence[int]) -> str:
    """A response's text; NUL, which no database takes, becomes U+FFFD."""
    text: str = tokenizer.decode(list(tokens), skip_special_tokens=True)
    return text.replace("\x00", "\ufffd").strip()


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _devices(model: Any) -> list[int]:
    return [model.device.index or 0] if model.device.type == "cuda" else []
