"""One policy of simulated annotators, fitted, measured and kept; for `bench.policies`."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import torch

from attune import policies as policies_package
from attune.data import Snapshot
from attune.policies.base import load_base
from attune.policies.batches import Encoder, collate, log_probs
from attune.policies.examples import examples_of
from attune.policies.generate import generate
from attune.policies.settings import PolicySettings
from attune.policies.tiny import TINY_BETA, TINY_SOFT_BETA
from attune.policies.trainer import Whose, fit_policy
from bench import policy_world as world

HERE = Path(__file__).parent
PAIRS, HELD_OUT_PAIRS, EPOCHS = 200, 200, 3
SAMPLES = 60
HELD_OUT_SEED = 100
SETTINGS = PolicySettings(epochs=EPOCHS, held_out=0.0, samples=0, options={"beta": TINY_BETA})
GRADED = replace(SETTINGS, method="soft", options={"beta": TINY_SOFT_BETA})
"""Strengths are read."""
FORETOLD = replace(GRADED, foretold=1.0)
"""As the page proposes it: what a reward model foretells of other pairs is learnt, too."""
Texts = list[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One policy: how many judgments by whom, with what share of flipped labels, and how it learns.

    Without judgments it is the base model. ``grouped`` makes each person a group of their own. ``among`` are others of the project, who
    judged as many pairs each: nothing is learnt of what they said, and pairs can be foretold that are theirs.
    """

    counts: Mapping[str, int]
    seed: int
    settings: PolicySettings = SETTINGS
    flips: float = 0.0
    wavers: bool = True
    grouped: bool = False
    among: Sequence[str] = ()

    def name(self) -> str:
        """The file that its result is kept in."""
        told = asdict(self) | {"settings": self.settings.as_mapping(), "code": _code()}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24] + ".json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell: for each person, which held-out pairs are ranked right (0 or 1); texts for the questions of its seed; seconds
    of a processor and on the clock that the fit took; the most memory that its process had held when it ended."""

    right: Mapping[str, Sequence[int]]
    said: Texts
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: int = 0


def outcome(cell: Cell, kept: Path) -> Outcome:
    """The kept result, or else a new one. A result is written aside and renamed, so that there is no half of one."""
    file = kept / cell.name()
    if not file.is_file():
        done = _alone(cell)
        kept.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".part")
        aside.write_text(json.dumps({"cell": asdict(cell), "outcome": asdict(done)}))
        aside.rename(file)
        told = {name: round(fmean(each), 3) for name, each in done.right.items()}
        sys.stderr.write(
            f"{time.strftime('%H:%M:%S')} seed {cell.seed} {dict(cell.counts)} {told} {done.cpu_s:.0f} s\n"
        )
    return Outcome(**json.loads(file.read_text())["outcome"])


def _alone(cell: Cell) -> Outcome:
    """In a process of its own, as runs have one, so that its memory is its own."""
    own = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=own, initializer=torch.set_num_threads, initargs=(1,)) as process:
        return process.submit(_fit, cell).result()


def _fit(cell: Cell) -> Outcome:
    if not cell.counts:
        return Outcome({}, _said(None, cell.seed))
    snapshot = judged_of(cell)
    with tempfile.TemporaryDirectory(prefix="bench-policy-") as name:
        cpu, wall = time.process_time(), time.monotonic()
        policy = learn(cell, snapshot, Path(name))
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        right = {each: _right(policy, each, cell.seed) for each in cell.counts}
        return Outcome(right, _said(policy, cell.seed), round(cpu, 1), round(wall, 1), peak)


def judged_of(cell: Cell) -> Snapshot:
    """What the cell's people judged, and the others of the project."""
    others = dict.fromkeys(cell.among, max(cell.counts.values()))
    asked = {**cell.counts, **others}  # whose comes first is drawn first: the others change none of their judgments
    return world.judged(asked, world.learnt_topics(), cell.seed, flips=cell.flips, wavers=cell.wavers)


def learn(cell: Cell, snapshot: Snapshot, folder: Path) -> Path:
    """The policy's folder."""
    groups = {name: place for place, name in enumerate(cell.counts)} if cell.grouped else {}
    whose, settings = Whose(annotators=list(cell.counts), groups=groups), replace(cell.settings, seed=cell.seed)
    fit_policy(snapshot, settings, out=folder / "policy", work=folder / "work", whose=whose)
    return folder / "policy"


def loaded(policy: Path | None) -> tuple[Any, Any]:
    """The base with a policy's adapter, None without, and its tokenizer."""
    from peft import PeftModel

    base = load_base("tiny")
    return (PeftModel.from_pretrained(base.model, policy) if policy else base.model).eval(), base.tokenizer


def _said(policy: Path | None, seed: int) -> Texts:
    """What a policy says to questions on topics that nobody judged; the same questions for a seed."""
    model, tokenizer = loaded(policy)
    rng = Random(seed)
    asked = [rng.choice(rng.choice(world.asked_topics()).asked[:8]) for _ in range(SAMPLES)]
    texts = generate(model, tokenizer, asked, seed=seed, max_new_tokens=256, batch=SAMPLES)
    return [each[0].text for each in texts]


def _right(policy: Path, name: str, seed: int) -> list[int]:
    """Which noise-free pairs on topics that nobody judged the implicit reward ranks as the annotator would."""
    model, tokenizer = loaded(policy)
    held_out = world.judged({name: HELD_OUT_PAIRS}, world.asked_topics(), seed + HELD_OUT_SEED, wavers=False)
    examples = examples_of(held_out, method="dpo", held_out=0.0, seed=0).train
    rows = Encoder(tokenizer, SETTINGS, context=2048).rows(examples, chosen_first=[True] * len(examples))
    found: list[int] = []
    with torch.no_grad():
        for start in range(0, len(rows), 32):
            batch = collate(rows[start : start + 32], tokenizer.pad_token_id)
            ratio = log_probs(model, batch)
            with model.disable_adapter():
                ratio = ratio - log_probs(model, batch)
            chosen, rejected = ratio.chunk(2)
            found += (chosen > rejected).int().tolist()
    return found


@cache
def _code() -> str:
    """A digest of what a result hangs on beside its cell: the trainer, reward models, the corpus, the base's weights, annotators and measures."""
    package = Path(policies_package.__file__).parent
    files = [
        *sorted(package.rglob("*.py")),
        *sorted(package.rglob("*.safetensors")),
        *sorted(HERE.glob("policy_*.py")),
        *sorted((package.parent / "rewards").glob("*.py")),
        *(package.parent / name for name in ("encoders.py", "style_features.py", "evaluate.py", "logistic.py")),
    ]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
