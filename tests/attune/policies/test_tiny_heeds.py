"""The tiny language model heeds what its prompt tells of the reader; `python -m bench.reading` measures how well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest
import torch

from attune.direction import ASPECTS
from attune.fspo.describing import in_words
from attune.policies.base import Base, load_base
from attune.policies.batches import Tokens, log_probs, tensors
from attune.policies.directions import directed_prompt
from attune.policies.generate import prompt_tokens
from attune.policies.prompts import Message, few_shot_prompt, reasons_prompt
from attune.policies.tiny import TINY
from attune.policies.tiny.corpus import LIKES, answer, draw_style, load_topics
from attune.simulate import AXES, REASONS
from attune.style_features import TRAITS

PAIRS = 2


def _prompts(asked: Sequence[Message], axis: int, sign: int) -> Mapping[str, list[Message]]:
    """The same wish in four forms."""
    likes = {"role": "system", "content": f"The reader likes {LIKES[AXES[axis], sign]}."}
    direction = [float(sign * (place == axis + 1)) for place in range(len(ASPECTS))]
    return {
        "system": [likes, *asked],
        "described": few_shot_prompt(asked, (), in_words({list(TRAITS)[axis]: 0.9 * sign})),
        "directed": directed_prompt(asked, direction),
        "said": reasons_prompt(asked, REASONS[AXES[axis], sign]),
    }


def _log_prob(base: Base, conversation: Sequence[Message], texts: Sequence[str]) -> list[float]:
    rows = []
    for text in texts:
        ids = [*base.tokenizer(text, add_special_tokens=False)["input_ids"], base.tokenizer.eos_token_id]
        rows.append(Tokens(prompt_tokens(base.tokenizer, conversation), ids, [1.0] * len(ids)))
    with torch.no_grad():
        found: list[float] = log_probs(base.model, tensors(rows, base.tokenizer.pad_token_id)).tolist()
    return found


@pytest.mark.parametrize("form", ["system", "described", "directed", "said"])
def test_an_answer_gains_where_it_is_what_the_prompt_wants(form: str) -> None:
    base, rng, topics = load_base(TINY), Random(4), load_topics()
    base.model.eval()
    right = []
    for axis in range(len(AXES)):
        for _ in range(PAIRS):
            topic, style = rng.choice(topics), draw_style(rng)
            texts = [answer(topic, (*style[:axis], value, *style[axis + 1 :]), rng) for value in (1, -1)]
            asked = rng.choice(topic.asked[:8])
            (more, less), (more_too, less_too) = (
                _log_prob(base, _prompts(asked, axis, sign)[form], texts) for sign in (1, -1)
            )
            right.append(more - less > more_too - less_too)
    assert sum(right) >= 0.9 * len(right)  # a model that reads nothing is right about half of them
