"""Does the tiny language model heed what its prompt tells? `python -m bench.reading [FOLDER]`; everybody is simulated.

Two answers to one question are drawn in styles that differ in one axis, and the prompt says that the one or the other is wanted: in a
system message, as a description of the reader, as a direction, by reasons that the reader gave, or by judgments that they made before. Right is where the log-ratio
of the two answers is larger under the prompt that wants the first. Reasons the other way round: given which of the two was preferred, the
reason that fits must be the likelier one. One JSON line a form, with the share that is right by axis and the mean change in nats.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Any

import torch

from attune.direction import ASPECTS
from attune.fspo.describing import in_words
from attune.fspo.prompts import Shot
from attune.policies.base import load_base
from attune.policies.batches import Tokens, log_probs, tensors
from attune.policies.directions import directed_prompt
from attune.policies.generate import prompt_tokens
from attune.policies.prompts import Message, few_shot_prompt, rationale_prompt, reasons_prompt
from attune.policies.tiny import TINY
from attune.policies.tiny.corpus import LIKES, answer, draw_style
from attune.policies.tiny.readers import shuffled_topics
from attune.simulate import AXES, REASONS
from attune.style_features import TRAITS

PAIRS, BATCH, SHOTS = 30, 16, 2


@dataclass(frozen=True, slots=True)
class Probe:
    """A question with two answers, of which ``more`` has more of the axis."""

    axis: int
    asked: tuple[Message, ...]
    more: str
    less: str


def probes(pairs: int, seed: int) -> list[Probe]:
    """So many of each axis, on topics that ``bench.policies`` lets nobody judge."""
    rng, topics = Random(seed), shuffled_topics()[1]
    found = []
    for axis in range(len(AXES)):
        for _ in range(pairs):
            topic, style = rng.choice(topics), draw_style(rng)
            more, less = ((*style[:axis], value, *style[axis + 1 :]) for value in (1, -1))
            found.append(Probe(axis, rng.choice(topic.asked[:8]), answer(topic, more, rng), answer(topic, less, rng)))
    return found


def _system(probe: Probe, sign: int, _rng: Random) -> list[Message]:
    return [{"role": "system", "content": f"The reader likes {LIKES[AXES[probe.axis], sign]}."}, *probe.asked]


def _described(probe: Probe, sign: int, _rng: Random) -> list[Message]:
    return few_shot_prompt(probe.asked, (), in_words({list(TRAITS)[probe.axis]: 0.9 * sign}))


def _directed(probe: Probe, sign: int, _rng: Random) -> list[Message]:
    return directed_prompt(probe.asked, [float(sign * (place == probe.axis + 1)) for place in range(len(ASPECTS))])


def _said(probe: Probe, sign: int, _rng: Random) -> list[Message]:
    return reasons_prompt(probe.asked, REASONS[AXES[probe.axis], sign])


def _judged(probe: Probe, sign: int, rng: Random) -> list[Message]:
    shots = []
    for topic in rng.sample(shuffled_topics()[0], SHOTS):
        style = draw_style(rng)
        liked, other = ((*style[: probe.axis], value, *style[probe.axis + 1 :]) for value in (sign, -sign))
        question = rng.choice(topic.asked[:8])[0]["content"]
        shots.append(Shot(question, answer(topic, liked, rng), answer(topic, other, rng)))
    return few_shot_prompt(probe.asked, shots)


FORMS: Mapping[str, Callable[[Probe, int, Random], list[Message]]] = {
    "system": _system,
    "described": _described,
    "directed": _directed,
    "said": _said,
    "judged": _judged,
}


def log_prob(base: Any, asked: Sequence[tuple[Sequence[Message], str]]) -> list[float]:
    """log π of each text after its conversation."""
    rows = []
    for conversation, text in asked:
        ids = [*base.tokenizer(text, add_special_tokens=False)["input_ids"], base.tokenizer.eos_token_id]
        rows.append(Tokens(prompt_tokens(base.tokenizer, conversation), ids, [1.0] * len(ids)))
    found: list[float] = []
    with torch.no_grad():
        for start in range(0, len(rows), BATCH):
            batch = tensors(rows[start : start + BATCH], base.tokenizer.pad_token_id)
            found += log_probs(base.model, batch).tolist()
    return found


def heeded(base: Any, form: str, asked: Sequence[Probe], seed: int) -> list[float]:
    """By how much the log-ratio of a probe's answers is larger where the prompt wants more of the axis than where it wants less."""
    rng = Random(seed)
    prompts = [
        (FORMS[form](probe, sign, rng), text)
        for probe in asked
        for sign in (1, -1)
        for text in (probe.more, probe.less)
    ]
    told = iter(log_prob(base, prompts))
    return [
        (more - less) - (more_too - less_too)
        for more, less, more_too, less_too in zip(told, told, told, told, strict=True)
    ]


def explained(base: Any, asked: Sequence[Probe]) -> list[float]:
    """By how much the reason of who likes more of the axis gains, over that of who likes less, where the answer with more was
    preferred; over both orders of the answers."""
    prompts = [
        (rationale_prompt(probe.asked, chosen, rejected, chosen_first=first), REASONS[AXES[probe.axis], sign][0])
        for probe in asked
        for chosen, rejected in ((probe.more, probe.less), (probe.less, probe.more))
        for first in (True, False)
        for sign in (1, -1)
    ]
    told = torch.tensor(log_prob(base, prompts)).view(len(asked), 2, 2, 2).mean(dim=2)
    change = (told[:, 0, 0] - told[:, 0, 1]) - (told[:, 1, 0] - told[:, 1, 1])
    return [float(each) for each in change]


def tell(form: str, asked: Sequence[Probe], change: Sequence[float]) -> None:
    right = {
        axis: round(fmean(each > 0 for probe, each in zip(asked, change, strict=True) if AXES[probe.axis] == axis), 2)
        for axis in AXES
    }
    line = {
        "form": form,
        "right": round(fmean(each > 0 for each in change), 3),
        "nats": round(fmean(change), 2),
        **right,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(folder: str) -> None:
    torch.set_num_threads(1)
    base, asked = load_base(folder), probes(PAIRS, seed=0)
    base.model.eval()
    for form in FORMS:
        tell(form, asked, heeded(base, form, asked, seed=0))
    tell("reasons", asked, explained(base, asked))


if __name__ == "__main__":
    main((sys.argv[1:] or [TINY])[0])
