"""What language models think of responses without having been asked: by how they would go on, or by how two of them differ.

- *Follow-up likelihood* (Zhang et al. 2024, *Aligning language models using follow-up likelihood as reward signal*): a response is good
  where a pleased next turn of the user is likelier after it than a displeased one.
- *Density ratio* (Xu et al. 2025, *Dr. SoW: density ratio of strong over weak LLMs*): log π(y|x) − log π_ref(y|x) of a model that was
  aligned and one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from attune.errors import BadData, Cancelled
from attune.policies.base import Base, load_base
from attune.policies.batches import Tokens, log_probs, tensors
from attune.policies.errors import translated
from attune.policies.generate import prompt_tokens
from attune.policies.prompts import Message
from attune.policies.speaking import Tell, Voice, model_of

Method = Literal["followup", "density"]

PLEASED = (
    "Thank you, that is exactly what I needed.",
    "Great answer, that helps me a lot!",
    "Perfect, this is just what I was looking for.",
)
DISPLEASED = (
    "That is not what I asked for.",
    "This answer does not help me at all.",
    "No, this is wrong. Please try again.",
)


@dataclass(frozen=True, slots=True)
class Said:
    """A response to be rated, with the conversation that it answers."""

    conversation: Sequence[Message]
    text: str


def opinions(
    method: Method,
    voices: Sequence[Voice],
    responses: Mapping[str, Said],
    *,
    tell: Tell,
    batch: int = 8,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Rate each response. ``tell`` gets its name under ``response`` with the ``reward`` (nats; a token, for follow-ups), or with the
    ``error`` that it does not fit; and ``step`` of ``steps``.

    ``followup`` takes one voice, ``density`` two: the model that is asked and its reference. Raises ``BadData`` for another number,
    ``Cancelled`` where a stop is asked for, ``PolicyError`` where a voice can't be loaded.
    """
    if len(voices) != {"followup": 1, "density": 2}[method]:
        raise BadData(f"{method} was given {len(voices)} models")
    rate = _followup if method == "followup" else _density
    sums: dict[str, float] = dict.fromkeys(responses, 0.0)
    unfit: dict[str, str] = {}
    steps, step = len(voices) * len(responses), 0
    for voice, sign in zip(voices, (1.0, -1.0), strict=False):
        last = voice is voices[-1]
        base = load_base(voice.base, voice.revision, chat_template=voice.chat_template)
        try:
            with model_of(voice, base) as model:
                model.eval()
                for name, said in responses.items():
                    if asked_to_stop():
                        raise Cancelled("The models were stopped.")
                    step += 1
                    try:
                        sums[name] += sign * rate(model, base, said, batch)
                    except BadData as error:
                        unfit[name] = str(error)
                    result = {"error": unfit[name]} if name in unfit else {"reward": sums[name]}
                    tell({"response": name, **(result if last else {}), "step": step, "steps": steps})
        except Cancelled:
            raise
        except Exception as error:
            raise translated(error) from error


def _density(model: Any, base: Base, said: Said, _batch: int) -> float:
    ids = base.tokenizer(said.text, add_special_tokens=False)["input_ids"]
    end = [base.tokenizer.eos_token_id]
    tokens = Tokens(prompt_tokens(base.tokenizer, said.conversation), [*ids, *end], [1.0] * (len(ids) + 1))
    return _sums(model, base, [tokens])[0]


def _followup(model: Any, base: Base, said: Said, batch: int) -> float:
    """The mean token log-probability of pleased follow-ups less that of displeased ones."""
    rows = [_next_turn(base, said, text) for text in (*PLEASED, *DISPLEASED)]
    found = [value for start in range(0, len(rows), batch) for value in _sums(model, base, rows[start : start + batch])]
    pleased, displeased = found[: len(PLEASED)], found[len(PLEASED) :]
    return sum(pleased) / len(pleased) - sum(displeased) / len(displeased)


def _next_turn(base: Base, said: Said, text: str) -> Tokens:
    """What the user would say next; each of its tokens weighs 1/n, so that long follow-ups count as short ones do."""
    talk = [*said.conversation, {"role": "assistant", "content": said.text}, {"role": "user", "content": text}]
    whole: str = base.tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=False)
    before = whole[: whole.rindex(text)]
    prompt = base.tokenizer(before, add_special_tokens=False)["input_ids"]
    ids = base.tokenizer(text, add_special_tokens=False)["input_ids"]
    return Tokens(prompt, ids, [1 / len(ids)] * len(ids))


def _sums(model: Any, base: Base, rows: Sequence[Tokens]) -> list[float]:
    room = int(getattr(base.model.config, "max_position_embeddings", None) or 0)
    longest = max(map(len, rows))
    if room and longest > room:
        raise BadData(f"prompt and response have {longest} tokens, and {base.name!r} takes {room}")
    batch = {name: value.to(model.device) for name, value in tensors(rows, base.tokenizer.pad_token_id).items()}
    with torch.no_grad():
        found: list[float] = log_probs(model, batch).tolist()
    return found
