"""Our trainer beside TRL's DPOTrainer on a GPU: `python -m bench.policy_gpu [--sizes 0.5b 1.5b 7b] [--judgments FILE]`.

Real answers of language models (PandaLM's test set, in `../shared/data/llm_responses`) and models of the shape of Qwen 2.5 with drawn
weights, since speed does not hang on what they are; tokens are the tiny model's. Same pairs, batch, adapter, β, longest sequence and
precision. TRL is timed as it comes (the reference goes along) and with the reference computed first, as ours is.

Tokens are those of each prompt with its chosen and with its rejected response, padding not counted, the same number for both; a
prompt counts twice though we compute it once. Every run has a process of its own, since whoever comes second in one finds chosen what a GPU's
libraries choose for each shape of batch. Steps are timed after the first few. Memory is torch's peak of allocated bytes. TRL computes a digest of
the weights before it computes the reference first, which takes minutes where they are large: leave it out with ``--trainers Attune TRL``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, TrainerCallback

from attune.data import Snapshot, read_judgments
from attune.policies import trainer as ours
from attune.policies.base import Base
from attune.policies.batches import Encoder
from attune.policies.examples import examples_of
from attune.policies.settings import PolicySettings
from attune.policies.tiny import tiny_folder
from bench.policy_trl import trl_trainer

DATA = Path(__file__).parents[2] / "shared" / "data" / "llm_responses" / "judgments.jsonl.gz"
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "micro": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "0.5b": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
    "1.5b": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12},
    "7b": {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28},
}
WARM_STEPS = 10
SPAWNED = multiprocessing.get_context("spawn")
SETTINGS = PolicySettings(
    base="drawn",
    epochs=1,
    held_out=0.0,
    samples=0,
    learning_rate=1e-5,
    checkpoint_every=1_000_000,
    options={"beta": 0.1},
)


@dataclass(slots=True)
class Clock:
    """When the steps after the first few began and ended, everything on the device done."""

    began: float = 0.0
    ended: float = 0.0
    steps: int = 0
    loss: list[float] = field(default_factory=list)

    def tick(self, step: int, steps: int) -> None:
        if step not in (WARM_STEPS, steps):
            return
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if step == WARM_STEPS:
            self.began = time.monotonic()
        self.ended, self.steps = time.monotonic(), steps - WARM_STEPS

    @property
    def step_s(self) -> float:
        return (self.ended - self.began) / self.steps


def base(shape: str) -> Base:
    """A model with drawn weights, and the tiny model's tokenizer."""
    torch.manual_seed(0)
    gpu = torch.cuda.is_available()
    wide = shape == "7b"
    config = Qwen2Config(
        **SHAPES[shape],
        num_key_value_heads=4 if wide else 2,
        vocab_size=152_064 if wide else 151_936,
        tie_word_embeddings=not wide,
        max_position_embeddings=4096,
    )
    with torch.device("cuda" if gpu else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if gpu else torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    model.config.pad_token_id = tokenizer.pad_token_id
    return Base(model, tokenizer, "drawn", "", shape, ())


def our_steps(shape: str, snapshot: Snapshot, settings: PolicySettings, clock: Clock) -> None:
    """A whole run of ours."""

    def tell(line: Mapping[str, float | int | str]) -> None:
        if "margin" in line:
            clock.loss.append(float(line["loss"]))
            clock.tick(int(line["step"]), int(line["steps"]))

    with (
        tempfile.TemporaryDirectory(prefix="bench-gpu-") as folder,
        mock.patch.object(ours, "load_base", return_value=base(shape)),
    ):
        ours.fit_policy(snapshot, settings, out=Path(folder) / "out", work=Path(folder) / "work", tell=tell)


def their_steps(first: bool) -> Callable[[str, Snapshot, PolicySettings, Clock], None]:
    """A whole run of TRL's; whether the reference is computed ``first``."""

    def run(shape: str, snapshot: Snapshot, settings: PolicySettings, clock: Clock) -> None:
        class Ticks(TrainerCallback):
            def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
                clock.tick(state.global_step, state.max_steps)

            def on_log(self, _args: Any, _state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
                clock.loss += [float(logs[name]) for name in ("loss", "train_loss") if name in logs]

        gpu = torch.cuda.is_available()
        options = {"bf16": gpu, "use_cpu": not gpu, "precompute_ref_log_probs": first}
        trainer = trl_trainer(base(shape), snapshot, settings, **options)
        trainer.add_callback(Ticks())
        trainer.train()

    return run


ENGINES = {"Attune": our_steps, "TRL, reference first": their_steps(True), "TRL": their_steps(False)}


def measured(shape: str, snapshot: Snapshot, settings: PolicySettings, tokens: float, name: str) -> None:
    """One trainer's line."""
    began, clock = time.monotonic(), Clock()
    ENGINES[name](shape, snapshot, settings, clock)
    peak = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0
    print(
        f"| {shape} | {'yes' if settings.recompute else 'no'} | {name} | {tokens * settings.batch / clock.step_s:,.0f}"
        f" | {1000 * clock.step_s:.0f} | {peak:.1f} | {time.monotonic() - began:.0f} | {clock.loss[-1]:.3f} |",
        flush=True,
    )


def pairs_of(path: Path, count: int) -> tuple[Snapshot, float]:
    """The first ``count`` decided judgments, and the mean number of tokens of a pair."""
    whole = read_judgments(path)
    said = tuple(each for each in whole.judgments if each.choice in ("a", "b"))[:count]
    named = {name for each in said for name in (each.a, each.b)}
    snapshot = Snapshot({name: each for name, each in whole.responses.items() if name in named}, said)
    encoder = Encoder(AutoTokenizer.from_pretrained(tiny_folder()), SETTINGS, context=4096)
    found = examples_of(snapshot, method="dpo", held_out=0.0, seed=0).train
    rows = encoder.rows(found, chosen_first=[True] * len(found))
    return snapshot, sum(len(row.chosen) + len(row.rejected) for row in rows) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SHAPES, default=["0.5b", "1.5b", "7b"])
    parser.add_argument("--judgments", type=Path, default=DATA)
    parser.add_argument("--pairs", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--trainers", nargs="+", choices=ENGINES, default=list(ENGINES))
    asked = parser.parse_args()
    snapshot, tokens = pairs_of(asked.judgments, asked.pairs)
    print(f"{_device()}; {asked.pairs} pairs of {tokens:.0f} tokens, {asked.batch} a step")
    print("| model | recompute | trainer | tokens/s | ms a step | peak GiB | whole run s | last loss |", flush=True)
    settings = replace(SETTINGS, batch=asked.batch, recompute=asked.recompute)
    failed = False
    for shape in asked.sizes:
        for name in asked.trainers:
            run = SPAWNED.Process(target=measured, args=(shape, snapshot, settings, tokens, name))
            run.start()
            run.join()
            if run.exitcode:
                print(f"| {shape} | {name} ended with status {run.exitcode} |", flush=True)
                failed = True
    if failed:
        raise SystemExit(1)


def _device() -> str:
    with SPAWNED.Pool(1) as pool:  # this process keeps nothing on the device
        return pool.apply(device)


def device() -> str:
    """What the runs are on."""
    return f"{torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'}, torch {torch.__version__}"


if __name__ == "__main__":
    main()
