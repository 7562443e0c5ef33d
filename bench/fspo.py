"""Does the tiny language model learn to read judgments in its prompt? `python -m bench.fspo FOLDER [given|written]`; everybody is simulated.

A small world, in which reading is the only thing to learn: answers of one tip, and annotators of two kinds, who like a casual tone or a
formal one (``casual`` of ``attune.simulate.AXES``), half of them each. A judgment is of one answer of either kind, without noise. No annotator
is seen twice in training; measured are others, on topics of which nothing was learnt. Nothing but the shots tells the two kinds apart, so a
policy for everybody can be right half of the time.

It learns from up to four shots and is measured with up to eight. Where FOLDER holds the weights already, they are measured only. One JSON
line a result.

With ``given`` the prompt says in words, too, what the annotator likes, in every second episode (so that shots go on being read); with
``written`` the model also learns to write that after the shots. Then measured as well: words alone, words of the other kind, and words that
the model has written itself.

``python -m bench.fspo FOLDER whole`` measures the weights in FOLDER in the world of `attune.policies.tiny.readers` instead, with answers
in full length: people who care about one of six traits and judge pairs that differ in it alone (``plain``), and tastes of all six, judgments as
noisy as people's, where right is what the true taste prefers (``whole``). Beside it a logistic regression that is told the true styles.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from time import process_time
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

from attune import style_features
from attune.fspo.describing import in_words
from attune.fspo.episodes import Episode, Pair
from attune.fspo.learning import Recipe, language_model, log_probs, meta_train, weights_of
from attune.fspo.packing import pack
from attune.fspo.prompts import Shot
from attune.fspo.reading import Reader
from attune.fspo.tokens import FOLDER, copy_tokenizer, pieces, tokens_of
from attune.policies.generate import generate
from attune.policies.prompts import few_shot_prompt
from attune.policies.tiny.corpus import Topic, answer
from attune.policies.tiny.readers import TEMPERATURE, Judged, draw_taste, judge, judge_plainly, shuffled_topics
from attune.simulate import AXES, REWARD_SCALE

CASUAL = AXES.index("casual")
PLAIN = (-1, 0, 0, -1, -1, -1)
"""One tip, neither careful nor blunt, without example, warmth or list; the tone is put in."""
STEPS, JUDGED = 120, 5
"""Steps, and judgments of an annotator: up to four shots are learnt from."""
STEP = 4
RATE, BETA, LIKELIHOOD, WRITING = 3e-4, 0.1, 0.1, 0.3
PEOPLE, SAMPLED = 50, 30
WHOLE_PEOPLE, WHOLE_ASKED = 60, 4
TASTE_SPREAD = 0.5
SHOTS = (0, 1, 4, 8)
FORMAL = re.compile(r"\b(?:one (?:should|must|might)|(?:advis|recommend|appropri|requir)\w+)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """One judgment: the question, the preferred answer, the other one."""

    question: str
    preferred: str
    other: str

    @property
    def pair(self) -> Pair:
        return Pair(tokens_of(self.question, self.preferred), tokens_of(self.question, self.other))


def somebody(topics: Sequence[Topic], rng: Random, count: int) -> tuple[int, list[Said]]:
    """An annotator's kind, −1 or 1, and judgments."""
    rng.choice(([CASUAL],))  # the one axis there is; a world of several would draw here
    likes = rng.choice((-1, 1))
    return likes, [_judged(likes, topics, rng) for _ in range(count)]


def _judged(likes: int, topics: Sequence[Topic], rng: Random) -> Said:
    topic = rng.choice(topics)
    question = rng.choice(topic.asked[:8])[0]["content"]
    texts = []
    for value in (likes, -likes):
        style = list(PLAIN)
        style[CASUAL] = value
        texts.append(answer(topic, tuple(style), rng))
    return Said(question, *texts)


def words_for(likes: int) -> str:
    """A kind in words."""
    return in_words({"formal–casual": 0.9 * likes})


def episodes(topics: Sequence[Topic], rng: Random, *, describe: bool = False) -> Iterator[Episode]:
    """New annotators without end; every judgment is predicted from those before it."""
    for number in count():
        likes, said = somebody(topics, rng, JUDGED)
        told = (words_for(likes),) * JUDGED if describe and number % 2 else ()
        yield Episode(tuple(each.pair for each in said), tuple(range(JUDGED)), told)


def train(folder: Path, describe: str) -> None:
    """Meta-train, and keep the weights in ``folder``."""
    learnt, _ = shuffled_topics()
    torch.manual_seed(0)
    model, reference = language_model(FOLDER), language_model(FOLDER).eval()
    began = process_time()

    def report(step: int, figures: Mapping[str, float]) -> None:
        if step % 10 == 0:
            tell(kind="training", step=step, cpu_s=round(process_time() - began), **figures)

    recipe = Recipe(STEPS, RATE, BETA, "dpo", LIKELIHOOD, STEP, WRITING if describe == "written" else 0.0)
    annotators = episodes(learnt, Random(0), describe=describe != "off")
    drawn = (pack(each, pieces(), writes=recipe.written > 0) for each in annotators)
    meta_train(model, reference, drawn, recipe, report)
    model.save_pretrained(folder)
    copy_tokenizer(folder)


def measure(model: Any, reference: Any) -> None:
    """Unseen annotators on unseen topics: the personal reward at each number of shots, and with the shots' labels flipped."""
    _, topics = shuffled_topics()
    rng = Random(2026)
    right: dict[tuple[int, bool], list[float]] = {(n, flip): [] for n in SHOTS for flip in (False, True)}
    with torch.no_grad():
        for _ in range(PEOPLE):
            _, said = somebody(topics, rng, max(SHOTS) + 1)
            target, shots = said[-1].pair, [each.pair for each in said[:-1]]
            for n, flip in right:
                shown = [Pair(each.other, each.preferred) if flip else each for each in shots[:n]]
                packed = pack(Episode((*shown, target), (n,)), pieces())
                ratio = (log_probs(model, packed)[0] - log_probs(reference, packed)[0])[0]
                right[n, flip].append(float(ratio[0] > ratio[1]))
    for (n, flip), each in right.items():
        error = (fmean(each) * (1 - fmean(each)) / len(each)) ** 0.5
        tell(kind="reward", shots=n, flipped=flip, right=round(fmean(each), 3), se=round(error, 3), people=len(each))


def measure_whole(model: Any, reference: Any) -> None:
    """Unseen annotators on unseen topics, of either world."""
    for world in ("plain", "whole"):
        rng = Random(2028)
        right: dict[tuple[str, int], list[float]] = {}
        for _ in range(WHOLE_PEOPLE):
            shots, asked = somebody_of(world, rng)
            for n in SHOTS:
                for kind, said in (("shots", shots[:n]), ("flipped", [turned(each) for each in shots[:n]])):
                    found = [ratios(model, reference, said, each) for each in asked]
                    right.setdefault((kind, n), []).append(fmean(each > 0 for each in found))
                told = told_styles(shots[:n], asked)
                right.setdefault(("told the styles", n), []).append(fmean(each > 0 for each in told) if n else 0.5)
        for (kind, n), each in right.items():
            error = stdev(each) / len(each) ** 0.5
            tell(world=world, kind=kind, shots=n, right=round(fmean(each), 3), se=round(error, 3), people=len(each))


def somebody_of(world: str, rng: Random) -> tuple[list[Judged], list[Judged]]:
    """An annotator's judgments to be read, and others to be predicted."""
    _, topics = shuffled_topics()
    count = max(SHOTS) + WHOLE_ASKED
    if world == "plain":
        axis, likes = rng.randrange(len(AXES)), rng.choice((-1, 1))
        said = [judge_plainly(axis, likes, topics, rng) for _ in range(count)]
    else:
        taste = draw_taste(rng)
        said = [judge(taste, topics, rng, noise=place < max(SHOTS)) for place in range(count)]
    return said[: max(SHOTS)], said[max(SHOTS) :]


def turned(said: Judged) -> Judged:
    """The same judgment with its label flipped."""
    return Judged(said.question, said.other, said.preferred, said.styles[::-1])


def ratios(model: Any, reference: Any, shots: Sequence[Judged], asked: Judged) -> float:
    """By how much the preferred answer's personal reward is the greater one."""
    pairs = [Pair(tokens_of(e.question, e.preferred), tokens_of(e.question, e.other)) for e in (*shots, asked)]
    packed = pack(Episode(tuple(pairs), (len(shots),)), pieces())
    with torch.no_grad():
        ratio = (log_probs(model, packed)[0] - log_probs(reference, packed)[0])[0]
    return float(ratio[0] - ratio[1])


def told_styles(shots: Sequence[Judged], asked: Sequence[Judged]) -> list[float]:
    """The same of the most likely taste under a normal prior, given the true styles."""
    learnt, wanted = (
        np.array([np.subtract(*each.styles) for each in said], float).reshape(-1, len(AXES)) for said in (shots, asked)
    )
    prior = 1 / TASTE_SPREAD**2

    def loss(taste: Any) -> float:
        margin = learnt @ taste * REWARD_SCALE / TEMPERATURE
        return float(np.logaddexp(0, -margin).sum() + prior * taste @ taste / 2)

    return list(wanted @ minimize(loss, np.zeros(len(AXES))).x)


def measure_words(model: Any, reference: Any, *, writes: bool) -> None:
    """The same people: the reward by words alone, by words and shots, by words of the other kind, and by the model's own words."""
    _, topics = shuffled_topics()
    rng = Random(2026)
    weights = weights_of(model)
    reader = Reader(weights, weights, BETA)
    right: dict[tuple[str, int], list[float]] = {}
    named: dict[int, list[float]] = {}
    with torch.no_grad():
        for _ in range(PEOPLE):
            likes, said = somebody(topics, rng, max(SHOTS) + 1)
            target, shots = said[-1].pair, [each.pair for each in said[:-1]]
            for n in SHOTS:
                told = {"given": words_for(likes), "of the other kind": words_for(-likes)}
                if writes and n:
                    told["written"] = reader.describe([tuple(pieces().shot(p.preferred, p.other)) for p in shots[:n]])
                    named.setdefault(n, []).append(float(told["written"] == words_for(likes)))
                for kind, words in told.items():
                    packed = pack(Episode((*shots[:n], target), (n,), (words,)), pieces())
                    ratio = (log_probs(model, packed)[0] - log_probs(reference, packed)[0])[0]
                    right.setdefault((kind, n), []).append(float(ratio[0] > ratio[1]))
    for (kind, n), each in right.items():
        error = (fmean(each) * (1 - fmean(each)) / len(each)) ** 0.5
        tell(kind="words", words=kind, shots=n, right=round(fmean(each), 3), se=round(error, 3), people=len(each))
    for n, each in named.items():
        tell(kind="writing", shots=n, right_words=round(fmean(each), 3), people=len(each))


def speak(model: Any) -> None:
    """What the policy says to unseen annotators, with shots and with none; a win is to be more casual, or less, as they like it."""
    from transformers import AutoTokenizer

    _, topics = shuffled_topics()
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    rng = Random(2027)
    people = [somebody(topics, rng, max(SHOTS) + 1) for _ in range(SAMPLED)]
    asked = [({"role": "user", "content": said[-1].question},) for _, said in people]
    texts = {}
    for n in (0, 4, 8):
        prompts = [
            few_shot_prompt(each, [Shot(s.question, s.preferred, s.other) for s in said[:n]])
            for each, (_, said) in zip(asked, people, strict=True)
        ]
        found = generate(model, tokenizer, prompts, seed=0, max_new_tokens=64, batch=10)
        texts[n] = [each[0].text for each in found]
    for n in (4, 8):
        wins = []
        for (likes, _), one, other in zip(people, texts[n], texts[0], strict=True):
            gain = likes * (casual(one) - casual(other))
            wins.append(1.0 if gain > 0 else 0.5 if gain == 0 else 0.0)
        tell(kind="spoken", shots=n, wins_over_no_shots=round(fmean(wins), 3), people=len(wins), sample=texts[n][0])


def casual(text: str) -> float:
    """Casual words and contractions per word, less formal turns (one should, it is advisable …)."""
    found = len(style_features.CASUAL.findall(text)) + len(style_features.CONTRACTION.findall(text))
    return (found - len(FORMAL.findall(text))) / max(len(text.split()), 1)


def tell(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(folder: Path, describe: str = "off") -> None:
    """Train, then measure."""
    torch.set_num_threads(1)
    if not folder.is_dir():
        train(folder, describe)
    model, reference = language_model(folder).eval(), language_model(FOLDER).eval()
    if describe == "whole":
        measure_whole(model, reference)
        return
    measure(model, reference)
    if describe != "off":
        measure_words(model, reference, writes=describe == "written")
    speak(model)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
