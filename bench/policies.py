"""Policies of simulated annotators on the tiny model: `python -m bench.policies people|rationales|noise|maxmin`.

An annotator has a taste over the six axes of ``attune.simulate`` and judges pairs of the tiny corpus's answers with the noise
of that simulation; what a policy then says is measured by markers in its text, never by the styles that the judgments
came from. Prompts are parted: nobody judges a held-out topic. One JSON line a result.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from attune import style_features as style
from attune.data import Judgment, Response, Snapshot
from attune.policies.base import load_base
from attune.policies.generate import generate
from attune.policies.settings import PolicySettings
from attune.policies.tiny import TINY_BETA
from attune.policies.tiny.corpus import Topic, answer, draw_style, load_topics
from attune.policies.trainer import Whose, fit_policy
from attune.simulate import AXES, REASONS, REWARD_SCALE

PAIRS, HELD_OUT_PAIRS, EPOCHS = 200, 200, 3
TEMPERATURE = 0.8  # of the annotators' choices, as in attune.simulate
SAMPLES = 60
PEOPLE: Mapping[str, Mapping[str, float]] = {
    "short and casual": {"detailed": -0.9, "casual": 0.9},
    "long and formal": {"detailed": 0.9, "casual": -0.9},
    "direct and dry": {"direct": 0.9, "warm": -0.9},
    "careful and warm": {"direct": -0.9, "warm": 0.9},
    "lists with examples": {"bulleted": 0.9, "examples": 0.9},
    "prose without examples": {"bulleted": -0.9, "examples": -0.9},
}


def _rate(pattern: Any) -> Callable[[str], float]:
    return lambda text: 100 * len(pattern.findall(text)) / max(len(text.split()), 1)


MARKERS: Mapping[str, Callable[[str], float]] = {
    "detailed": lambda text: float(len(text.split())),
    "casual": lambda text: _rate(style.CASUAL)(text) + _rate(style.CONTRACTION)(text),
    "direct": lambda text: -_rate(style.HEDGE)(text),
    "examples": _rate(style.EXAMPLE),
    "warm": lambda text: _rate(style.WARM)(text) + 100 * text.count("!") / max(len(text.split()), 1),
    "bulleted": lambda text: float("\n- " in text),
}
"""What is counted in a text for each axis: words, markers per 100 words, whether it has a list. Hedges count against direct."""


@dataclass(frozen=True)
class World:
    """Topics that are judged and topics that are only asked about, and each marker's spread over the corpus."""

    judged: Sequence[Topic]
    asked: Sequence[Topic]
    spread: Mapping[str, tuple[float, float]]


def make_world() -> World:
    topics = load_topics()
    rng = random.Random(99)
    order = rng.sample(topics, len(topics))
    texts = [answer(rng.choice(topics), draw_style(rng), rng) for _ in range(1500)]
    spread = {}
    for axis, marker in MARKERS.items():
        values = torch.tensor([marker(text) for text in texts])
        spread[axis] = (values.mean().item(), values.std().item())
    return World(order[:48], order[48:], spread)


def true_reward(world: World, taste: Mapping[str, float], text: str) -> float:
    """The taste over a text's own markers, standardised on the corpus."""
    return sum(
        weight * (MARKERS[axis](text) - world.spread[axis][0]) / world.spread[axis][1] for axis, weight in taste.items()
    )


def judged(
    people: Mapping[str, Mapping[str, float]],
    topics: Sequence[Topic],
    count: int,
    seed: int,
    *,
    flips: float = 0.0,
    noise: bool = True,
    reasons: bool = False,
) -> Snapshot:
    """``count`` judgments of each of ``people`` on pairs of answers in two drawn styles."""
    rng = random.Random(seed)
    responses: dict[str, Response] = {}
    said = []
    for name, taste in people.items():
        for number in range(count):
            topic = rng.choice(topics)
            prompt = rng.choice(topic.asked[:8])[0]["content"]
            styles = draw_style(rng), draw_style(rng)
            keys = f"{name}-{number}-a", f"{name}-{number}-b"
            for key, each in zip(keys, styles, strict=True):
                responses[key] = Response(key, prompt, answer(topic, each, rng))
            support = {
                axis: weight * (styles[0][AXES.index(axis)] - styles[1][AXES.index(axis)])
                for axis, weight in taste.items()
            }
            margin = REWARD_SCALE * sum(support.values()) / TEMPERATURE
            if margin == 0 and not noise:
                continue
            prefers_a = rng.random() < 1 / (1 + exp(-margin)) if noise else margin > 0
            why = max(support, key=lambda axis: support[axis] if prefers_a else -support[axis])
            if rng.random() < flips:
                prefers_a = not prefers_a
            direction = 1 if taste[why] > 0 else -1
            reason = rng.choice(REASONS[why, direction]) if reasons and support[why] else ""
            said.append(Judgment(name, keys[0], keys[1], "a" if prefers_a else "b", rationale=reason))
    return Snapshot(responses, tuple(said), "0" * 64)


def train(snapshot: Snapshot, settings: PolicySettings, **whose: Any) -> tuple[Path, Mapping[str, float], float]:
    """The policy's folder, its figures, and seconds."""
    folder = Path(tempfile.mkdtemp(prefix="bench-policy-"))
    began = time.monotonic()
    report = fit_policy(snapshot, settings, out=folder / "policy", work=folder / "work", whose=Whose(**whose))
    return folder / "policy", report.metrics, time.monotonic() - began


def loaded(policy: Path | None) -> tuple[Any, Any]:
    from peft import PeftModel

    base = load_base("tiny")
    return (PeftModel.from_pretrained(base.model, policy) if policy else base.model), base.tokenizer


def said_by(world: World, policy: Path | None, seed: int = 0) -> list[str]:
    """What a policy says to questions on topics that nobody judged."""
    model, tokenizer = loaded(policy)
    rng = random.Random(seed)
    asked = [rng.choice(rng.choice(world.asked).asked[:8]) for _ in range(SAMPLES)]
    return [each[0].text for each in generate(model, tokenizer, asked, seed=seed, max_new_tokens=256, batch=20)]


def accuracy(policy: Path, snapshot: Snapshot) -> float:
    """Share of noise-free held-out pairs that the implicit reward ranks as the annotator would."""
    from attune.policies.batches import Encoder, collate, log_probs
    from attune.policies.examples import examples_of

    model, tokenizer = loaded(policy)
    model.eval()
    examples = examples_of(snapshot, method="dpo", held_out=0.0, seed=0)
    rows = Encoder(tokenizer, PolicySettings(), context=2048).rows(
        examples.train, chosen_first=[True] * len(examples.train)
    )
    right = 0
    with torch.no_grad():
        for start in range(0, len(rows), 20):
            batch = collate(rows[start : start + 20], tokenizer.pad_token_id)
            policy_says = log_probs(model, batch)
            with model.disable_adapter():
                ratio = policy_says - log_probs(model, batch)
            chosen, rejected = ratio.chunk(2)
            right += int((chosen > rejected).sum())
    return right / len(rows)


def win_rate(world: World, taste: Mapping[str, float], one: Sequence[str], other: Sequence[str]) -> float:
    """How often a text of ``one`` is truly preferred to the text of ``other`` for the same prompt; ties count half."""
    wins = [
        (first > second) + 0.5 * (first == second)
        for first, second in (
            (true_reward(world, taste, a), true_reward(world, taste, b)) for a, b in zip(one, other, strict=True)
        )
    ]
    return fmean(wins)


def moved(taste: Mapping[str, float], before: Sequence[str], after: Sequence[str]) -> dict[str, float]:
    """By how much each liked marker moved, relative to before; positive is towards the taste."""
    found = {}
    for axis, weight in taste.items():
        old, new = (fmean(MARKERS[axis](text) for text in texts) for texts in (before, after))
        found[axis] = round((1 if weight > 0 else -1) * (new - old) / abs(old), 3)
    return found


def tell(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


SETTINGS = PolicySettings(epochs=EPOCHS, held_out=0.0, samples=0, options={"beta": TINY_BETA})


def people(names: Sequence[str] = tuple(PEOPLE), seed: int = 1) -> None:
    """One policy a person, and one for all six together."""
    world = make_world()
    before = said_by(world, None)
    policies: dict[str, list[str]] = {}
    for name in names:
        one = {name: PEOPLE[name]}
        policy, _, seconds = train(judged(one, world.judged, PAIRS, seed), SETTINGS)
        right = accuracy(policy, judged(one, world.asked, HELD_OUT_PAIRS, seed + 100, noise=False))
        after = policies[name] = said_by(world, policy)
        cpu = time.process_time()
        tell(
            kind="person",
            name=name,
            held_out=right,
            moved=moved(PEOPLE[name], before, after),
            against_base=win_rate(world, PEOPLE[name], after, before),
            seconds=round(seconds, 1),
            cpu_total=round(cpu, 1),
            peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            sample=after[0],
        )
    pooled, _, _ = train(judged(PEOPLE, world.judged, PAIRS, seed), replace(SETTINGS, epochs=1))
    together = said_by(world, pooled)
    for name, texts in policies.items():
        tell(kind="personal against pooled", name=name, win_rate=win_rate(world, PEOPLE[name], texts, together))


def rationales(seeds: Sequence[int] = (1, 2, 3)) -> None:
    """Half the judgments with reasons beside all of them without."""
    world = make_world()
    before = said_by(world, None)
    for seed in seeds:
        for name in ("short and casual", "careful and warm"):
            one = {name: PEOPLE[name]}
            test = judged(one, world.asked, HELD_OUT_PAIRS, seed + 100, noise=False)
            for label, count, form in (
                ("half with", PAIRS // 2, "nll"),
                ("half without", PAIRS // 2, "off"),
                ("all without", PAIRS, "off"),
            ):
                snapshot = judged(one, world.judged, count, seed, reasons=True)
                policy, _, _ = train(snapshot, replace(SETTINGS, rationales=form, epochs=EPOCHS, seed=seed))
                after = said_by(world, policy)
                tell(
                    kind="rationales",
                    name=name,
                    seed=seed,
                    run=label,
                    held_out=accuracy(policy, test),
                    win_rate=win_rate(world, PEOPLE[name], after, before),
                )


def noise(seeds: Sequence[int] = (1, 2, 3), name: str = "short and casual") -> None:
    """30 % of labels flipped: DPO beside rDPO that knows it."""
    world = make_world()
    one = {name: PEOPLE[name]}
    before = said_by(world, None)
    for seed in seeds:
        test = judged(one, world.asked, HELD_OUT_PAIRS, seed + 100, noise=False)
        snapshot = judged(one, world.judged, PAIRS, seed, flips=0.3, noise=False)
        for method in ("dpo", "rdpo", "cdpo"):
            options = SETTINGS.options | ({"noise": 0.3} if method != "dpo" else {})
            policy, _, _ = train(snapshot, replace(SETTINGS, method=method, options=options, seed=seed))
            after = said_by(world, policy)
            tell(
                kind="noise",
                seed=seed,
                method=method,
                held_out=accuracy(policy, test),
                win_rate=win_rate(world, PEOPLE[name], after, before),
            )


def maxmin(seeds: Sequence[int] = (1, 2, 3)) -> None:
    """A group of three quarters and one of a quarter with another taste: the worse-served one's win rate over the base."""
    world = make_world()
    before = said_by(world, None)
    names = ("short and casual", "careful and warm")
    for seed in seeds:
        large = judged({names[0]: PEOPLE[names[0]]}, world.judged, 150, seed)
        small = judged({names[1]: PEOPLE[names[1]]}, world.judged, 50, seed)
        snapshot = Snapshot({**large.responses, **small.responses}, (*large.judgments, *small.judgments), "0" * 64)
        for step in (0.0, 0.5):
            policy, _, _ = train(snapshot, replace(SETTINGS, maxmin=step, seed=seed), groups={names[0]: 0, names[1]: 1})
            after = said_by(world, policy)
            rates = {name: win_rate(world, PEOPLE[name], after, before) for name in names}
            tell(kind="maxmin", seed=seed, step=step, worst=min(rates.values()), rates=rates)


def run(quick: bool = False) -> dict[str, Any]:
    """Seconds for 200 pairs three times through, beside TRL's DPOTrainer on the same pairs, model and adapter."""
    torch.set_num_threads(1)
    world = make_world()
    snapshot = judged({"one": PEOPLE["short and casual"]}, world.judged, 24 if quick else PAIRS, 1)
    _policy, _figures, seconds = train(snapshot, SETTINGS)
    ours_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    trl_seconds = _trl(snapshot)
    return {
        "pairs": len(snapshot.judgments),
        "epochs": EPOCHS,
        "seconds": round(seconds, 1),
        "peak_mb": ours_peak,
        "baseline_trl_seconds": round(trl_seconds, 1),
        "speed_over_trl": round(trl_seconds / seconds, 2),
    }


def _trl(snapshot: Snapshot) -> float:
    """TRL's trainer from rows to the last step, as ours is timed."""
    import trl
    from datasets import Dataset
    from peft import LoraConfig

    began = time.monotonic()
    base = load_base("tiny")
    rows = []
    for each in snapshot.judgments:
        chosen, rejected = (each.a, each.b) if each.choice == "a" else (each.b, each.a)
        texts = {"chosen": snapshot.responses[chosen].text, "rejected": snapshot.responses[rejected].text}
        row = {name: [{"role": "assistant", "content": text}] for name, text in texts.items()}
        rows.append({"prompt": [{"role": "user", "content": snapshot.responses[chosen].prompt}], **row})
    config = trl.DPOConfig(
        output_dir=tempfile.mkdtemp(prefix="bench-trl-"),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=SETTINGS.batch,
        learning_rate=SETTINGS.learning_rate,
        beta=TINY_BETA,
        precompute_ref_log_probs=True,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = trl.DPOTrainer(
        model=base.model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(
            r=SETTINGS.rank, lora_alpha=2 * SETTINGS.rank, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    trainer.train()
    return time.monotonic() - began


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = sys.argv[1] if len(sys.argv) > 1 else "people"
    {"people": people, "rationales": rationales, "noise": noise, "maxmin": maxmin}[wanted](
        *([sys.argv[2:]] if sys.argv[2:] else [])
    )
