"""Synthetic annotators for FSPO's pre-training: `python -m attune.policies.tiny.readers FOLDER`. All of them are simulated.

Meta-learning needs many annotators who differ from each other and agree with themselves (Singh et al. 2025, section 5). Here each has a
taste over ``simulate.AXES``, mostly few axes felt strongly and now and then all of them a little, and judges pairs of answers of the
tiny model's own corpus in two drawn styles,

    P(a ≻ b) = σ(2.5 ⟨taste, style(a) − style(b)⟩ / τ),     τ = 0.8.

What is written is a language model of the tiny one's shape, which ``fspo`` starts from where ``ATTUNE_FSPO_START`` names its folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, get_args

import click

from attune.data import Judgment, Response, Snapshot
from attune.errors import BadData
from attune.fspo.describing import Describe, in_words
from attune.policies.tiny.corpus import Style, Topic, answer, draw_style, load_topics
from attune.simulate import AXES, REWARD_SCALE
from attune.style_features import TRAITS

if TYPE_CHECKING:
    from attune.fspo.episodes import Episode
    from attune.fspo.packing import Packed

TEMPERATURE = 0.8
FEW_AXES = 0.7
"""Share of the annotators who care about one to three axes."""
FELT = (0.6, 1.0)
SPREAD = 0.5
LEARNT_TOPICS = 48
"""Topics that pre-training may use, of ``shuffled_topics``; the rest is for measuring."""
CARD = """---
license: apache-2.0
language: en
pipeline_tag: text-generation
---
# Attune's tiny language model, meta-trained to read judgments

The tiny model after {steps} steps of few-shot preference optimisation on simulated annotators (`{command}`). {figures}
"""

Taste = tuple[float, ...]
"""A weight on each of ``AXES``."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair that a synthetic annotator judged: the preferred answer first, with both styles."""

    question: str
    preferred: str
    other: str
    styles: tuple[Style, Style]


@cache
def shuffled_topics() -> tuple[list[Topic], list[Topic]]:
    """Topics to learn from and topics to be measured on, as ``bench.policies`` parts them."""
    topics = load_topics()
    order = Random(99).sample(topics, len(topics))  # noqa: S311 (no secret)
    return order[:LEARNT_TOPICS], order[LEARNT_TOPICS:]


def draw_taste(rng: Random) -> Taste:
    """One annotator's taste."""
    if rng.random() < FEW_AXES:
        axes = rng.sample(range(len(AXES)), rng.choice((1, 2, 3)))
        return tuple(rng.choice((-1, 1)) * rng.uniform(*FELT) if axis in axes else 0.0 for axis in range(len(AXES)))
    return tuple(rng.gauss(0, SPREAD) for _ in AXES)


def description_of(taste: Taste) -> str:
    """What a taste is in words; the axes are the second poles of ``style_features.TRAITS``, in their order."""
    return in_words(dict(zip(TRAITS, taste, strict=True)))


def judge(taste: Taste, topics: Sequence[Topic], rng: Random, *, noise: bool = True) -> Judged:
    """One judgment of two answers that the taste tells apart."""
    while True:
        topic = rng.choice(topics)
        styles = draw_style(rng), draw_style(rng)
        margin = (
            REWARD_SCALE * sum(t * (one - other) for t, one, other in zip(taste, *styles, strict=True)) / TEMPERATURE
        )
        if margin:
            break
    prefers_first = rng.random() < 1 / (1 + exp(-margin)) if noise else margin > 0
    first, second = (answer(topic, style, rng) for style in styles)
    question = rng.choice(topic.asked[:8])[0]["content"]
    if prefers_first:
        return Judged(question, first, second, styles)
    return Judged(question, second, first, styles[::-1])


def judge_plainly(axis: int, likes: int, topics: Sequence[Topic], rng: Random) -> Judged:
    """One judgment, without doubt, of two answers that are alike but for the axis, by somebody who ``likes`` one pole of it (±1)."""
    topic, style = rng.choice(topics), draw_style(rng)
    liked, other = ((*style[:axis], value, *style[axis + 1 :]) for value in (likes, -likes))
    question = rng.choice(topic.asked[:8])[0]["content"]
    return Judged(question, answer(topic, liked, rng), answer(topic, other, rng), (liked, other))


def synthetic(people: int, judgments: int, topics: Sequence[Topic], seed: int, *, noise: bool = True) -> Snapshot:
    """``judgments`` of each of ``people`` synthetic annotators, ``simulated-1`` and so on, half of them with b preferred.

    ``about`` holds what each of them likes, in words (``descriptions``).
    """
    rng = Random(seed)  # noqa: S311 (no secret)
    responses: dict[str, Response] = {}
    said = []
    descriptions = {}
    for person in range(people):
        taste = draw_taste(rng)
        descriptions[f"simulated-{seed}-{person}"] = description_of(taste)
        for number in range(judgments):
            each = judge(taste, topics, rng, noise=noise)
            keys = [f"{seed}-{person}-{number}-{side}" for side in "ab"]
            texts = [each.preferred, each.other]
            chosen = rng.choice("ab")
            for key, text in zip(keys, texts if chosen == "a" else texts[::-1], strict=True):
                responses[key] = Response(key, each.question, text)
            said.append(Judgment(f"simulated-{seed}-{person}", keys[0], keys[1], "a" if chosen == "a" else "b"))
    return Snapshot(responses, tuple(said), about={"simulated": True, "descriptions": descriptions})


@dataclass(frozen=True, slots=True)
class Annotators:
    """Synthetic annotators by number, each with up to ``shots`` judgments and one more, of which ``targets`` are predicted. To
    ``describe`` them is to say in words what they like; the same number is always the same annotator.

    The first so many are ``plain``: they care about one axis, and judge answers that differ in it alone. To read those is learnt soon.
    """

    shots: int
    targets: int
    seed: int
    describe: Describe = "off"
    plain: int = 0

    def __getitem__(self, number: int) -> Packed:
        from attune.fspo.packing import pack
        from attune.fspo.tokens import pieces

        return pack(self.episode(number), pieces(), writes=self.describe == "written")

    def episode(self, number: int) -> Episode:
        """One annotator's judgments."""
        from attune.fspo.episodes import Episode, Pair
        from attune.fspo.tokens import tokens_of

        rng = Random(f"{self.seed} {number}")  # noqa: S311 (no secret)
        taste, judged = self._judged(number < self.plain, rng)
        pairs = [
            Pair(tokens_of(each.question, each.preferred), tokens_of(each.question, each.other)) for each in judged
        ]
        asked = tuple(sorted(rng.sample(range(len(pairs)), min(self.targets, len(pairs)))))
        words = () if self.describe == "off" else (description_of(taste),) * len(asked)
        return Episode(tuple(pairs), asked, words)

    def _judged(self, plainly: bool, rng: Random) -> tuple[Taste, list[Judged]]:
        topics, _ = shuffled_topics()
        if not plainly:
            taste = draw_taste(rng)
            return taste, [judge(taste, topics, rng) for _ in range(rng.randint(1, self.shots + 1))]
        axis, likes = rng.randrange(len(AXES)), rng.choice((-1, 1))
        said = [judge_plainly(axis, likes, topics, rng) for _ in range(self.shots + 1)]
        return tuple(float(likes * (each == axis)) for each in range(len(AXES))), said


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--steps", default=2_000, show_default=True)
@click.option("--shots", default=8, show_default=True)
@click.option("--targets", default=4, show_default=True, help="Judgments predicted of each annotator a step.")
@click.option("--annotators", default=4, show_default=True, help="A step.")
@click.option(
    "--plain", default=0, show_default=True, help="So many of the first annotators care about one trait alone."
)
@click.option("--rate", default=5e-4, show_default=True)
@click.option("--loss", type=click.Choice(("ipo", "dpo")), default="dpo", show_default=True)
@click.option("--beta", default=0.1, show_default=True)
@click.option("--likelihood", default=0.3, show_default=True, help="Weight of the preferred text's own likelihood.")
@click.option(
    "--describe",
    type=click.Choice(get_args(Describe)),
    default="off",
    show_default=True,
    help="Say in words what an annotator likes: given in the prompt, or written after the shots as well.",
)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--workers", default=0, show_default=True, help="Processes that draw annotators ahead; the result is the same."
)
def command(
    folder: Path,
    steps: int,
    shots: int,
    targets: int,
    annotators: int,
    plain: int,
    rate: float,
    loss: str,
    beta: float,
    likelihood: float,
    describe: Describe,
    seed: int,
    workers: int,
) -> None:
    """Meta-train the tiny model on synthetic annotators and save it in FOLDER. Minutes on a GPU, hours on a CPU."""
    import torch
    from torch.utils.data import DataLoader

    from attune.fspo.learning import Recipe, language_model, meta_train
    from attune.fspo.tokens import FOLDER, copy_tokenizer

    if folder.exists():
        raise click.ClickException(f"{folder} already exists")
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model, reference = language_model(FOLDER), language_model(FOLDER).eval()

    def report(step: int, figures: Mapping[str, float]) -> None:
        if step % 20 == 0 or step == steps:
            click.echo(json.dumps({"step": step, "steps": steps, **figures}))

    writing = likelihood if describe == "written" else 0.0
    recipe = Recipe(steps, rate, beta, loss, likelihood, annotators, writing)
    drawn: DataLoader[Packed] = DataLoader(
        Annotators(shots, targets, seed, describe, plain),  # type: ignore[arg-type]  # it has no end
        sampler=range(steps * annotators),
        batch_size=None,
        num_workers=workers,
    )
    try:
        figures = meta_train(model, reference, drawn, recipe, report)
    except BadData as error:
        raise click.ClickException(str(error)) from error
    model.to(torch.float16).save_pretrained(folder)
    copy_tokenizer(folder)
    told = " ".join(["python -m attune.policies.tiny.readers FOLDER", *_differing(click.get_current_context())])
    said = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in figures.items())
    (folder / "README.md").write_text(
        CARD.format(steps=steps, command=told, figures=f"Last tenth of the steps: {said}.")
    )


def _differing(context: click.Context) -> list[str]:
    """The options that were not left as they are, but for those that change no weight."""
    given = {each.name: each.default for each in context.command.params if each.name not in ("folder", "workers")}
    return [
        f"--{name} {context.params[name]}" for name, usual in given.items() if name and context.params[name] != usual
    ]


if __name__ == "__main__":
    command()
