"""Meta-training: episodes of one annotator each, in which every judgment is predicted from those before it. Needs torch.

An episode's shots are read once. Each target (a pair, after the first k shots) branches off where its shots end: its tokens see those
shots and themselves, and nothing of later shots or other targets, which a mask holds. So one pass trains on 0, 1, 2 … shots at once.

    Δ = [log π(c|x,C) − log π(r|x,C)] − [log π_ref(c|x,C) − log π_ref(r|x,C)],   summed over tokens
    ipo: (Δ − 1/2β)²  (FSPO's; Azar et al. 2023, equation 17)      dpo: −log σ(βΔ)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import AutoModelForCausalLM

from attune.fspo.episodes import Episode
from attune.fspo.tokens import Pieces

Array = NDArray[np.float32]
Report = Callable[[int, Mapping[str, float]], None]
WARM_UP = 10


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is learnt. ``likelihood`` weighs the mean-token loss of the preferred text, which keeps the policy able to speak."""

    steps: int
    rate: float
    beta: float
    loss: str = "ipo"
    likelihood: float = 0.1
    episodes: int = 4  # a step
    written: float = 0.0  # weight of the mean-token loss of the description, written after the shots


@dataclass(frozen=True, slots=True)
class Packed:
    """An episode as one row: ids, positions (1, T), mask (1, 1, T, T), and where each text's tokens are predicted from.

    ``source`` (S,) places, ``goal`` (S,) tokens, ``text`` (S,) numbers 2·target for the preferred and 2·target + 1 for the other;
    after those of all targets come ``written`` descriptions.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    source: Tensor
    goal: Tensor
    text: Tensor
    targets: int
    written: int = 0


def pack(episode: Episode, pieces: Pieces, *, writes: bool = False) -> Packed:
    """See the head of this file. What is known of the annotator stands before each target's question; where the model ``writes``,
    a branch of its own asks for it after the target's shots."""
    shots = [pieces.shot(each.preferred, each.other) for each in episode.pairs[: max(episode.targets)]]
    opening = pieces.opening(shots)
    ends = np.cumsum([len(pieces.opening(())), *map(len, shots)]).tolist()  # where k shots end
    ids, positions = list(opening), list(range(len(opening)))
    source: list[int] = []
    goal: list[int] = []
    text: list[int] = []
    branches = []
    leaves = _leaves(episode, pieces, writes=writes)
    for number, (target, asked, said) in enumerate(leaves):
        tokens, start = [*asked, *said[:-1]], len(ids)
        ids += tokens
        positions += range(ends[target], ends[target] + len(tokens))
        source += range(start + len(asked) - 1, start + len(tokens))
        goal += said
        text += [number] * len(said)
        branches.append((start, len(tokens), ends[target]))
    seen = torch.zeros(len(ids), len(ids), dtype=torch.bool)
    for start, length, before in [(0, len(opening), 0), *branches]:
        seen[start : start + length, :before] = True
        seen[start : start + length, start : start + length] = torch.ones(length, length).tril().bool()
    return Packed(
        torch.tensor([ids]),
        torch.tensor([positions]),
        seen[None, None],
        torch.tensor(source),
        torch.tensor(goal),
        torch.tensor(text),
        len(episode.targets),
        len(leaves) - 2 * len(episode.targets),
    )


def _leaves(episode: Episode, pieces: Pieces, *, writes: bool) -> list[tuple[int, list[int], list[int]]]:
    """What branches off: after how many shots, what is asked there, and what is said. Targets' pairs first, then descriptions."""
    known = episode.descriptions or ("",) * len(episode.targets)
    found = []
    for target, description in zip(episode.targets, known, strict=True):
        for answer in (episode.pairs[target].preferred, episode.pairs[target].other):
            asked, said = pieces.closing(answer)
            found.append((target, [*pieces.reader(description), *asked], said))
    if writes:  # without a shot nobody can know
        found += [(t, *pieces.describing(each)) for t, each in zip(episode.targets, known, strict=True) if t and each]
    return found


def log_probs(model: Any, packed: Packed) -> tuple[Tensor, Tensor]:
    """Summed log-probabilities and numbers of tokens of each target's preferred and other text, both (targets, 2)."""
    summed, count = _all_log_probs(model, packed)
    return summed[: 2 * packed.targets].view(-1, 2), count[: 2 * packed.targets].view(-1, 2)


def _all_log_probs(model: Any, packed: Packed) -> tuple[Tensor, Tensor]:
    """The same of every text, descriptions too, (2 · targets + written,)."""
    states = model.model(
        input_ids=packed.ids, position_ids=packed.positions, attention_mask=packed.mask, use_cache=False
    ).last_hidden_state[0]
    each = -cross_entropy(model.lm_head(states[packed.source]), packed.goal, reduction="none")
    texts = 2 * packed.targets + packed.written
    summed = torch.zeros(texts).index_add(0, packed.text, each)
    return summed, torch.zeros(texts).index_add(0, packed.text, torch.ones_like(each))


def pair_loss(delta: Tensor, recipe: Recipe) -> Tensor:
    """The loss of each Δ, same shape; see the head of this file."""
    if recipe.loss == "ipo":
        return (delta - 1 / (2 * recipe.beta)) ** 2
    return -logsigmoid(recipe.beta * delta)


def language_model(folder: Path, weights: Mapping[str, Array] | None = None) -> Any:
    """The causal LM of a folder in float32, with other weights where they are given."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    if weights is not None:
        model.load_state_dict(
            {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}, strict=False
        )
    return model


def weights_of(model: Any) -> dict[str, Array]:
    """The weights by name; the head is tied to the embeddings and has none of its own."""
    return {
        name: value.detach().numpy().astype(np.float32)
        for name, value in model.state_dict().items()
        if name != "lm_head.weight"
    }


def meta_train(
    model: Any, reference: Any, episodes: Iterable[Episode], pieces: Pieces, recipe: Recipe, report: Report
) -> dict[str, float]:
    """Train ``model`` near ``reference``; the mean loss and the accuracy of the last tenth of the steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.01)
    source = iter(episodes)
    figures: list[tuple[float, float]] = []
    model.train()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            decay = 0.05 + 0.95 * 0.5 * (1 + cos(pi * step / recipe.steps))
            group["lr"] = recipe.rate * min(1.0, (step + 1) / WARM_UP) * decay
        drawn = (pack(next(source), pieces, writes=recipe.written > 0) for _ in range(recipe.episodes))
        said = [_episode(model, reference, each, recipe) for each in drawn]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        figures.append(_mean(said))
        report(step + 1, {"loss": figures[-1][0], "accuracy": figures[-1][1]})
    model.eval()
    loss, accuracy = _mean(figures[-max(1, recipe.steps // 10) :])
    return {"train_loss": loss, "train_accuracy": accuracy}


def _episode(model: Any, reference: Any, packed: Packed, recipe: Recipe) -> tuple[float, float]:
    """Add one episode's gradient; its loss and the share of its targets that are ranked right."""
    with torch.no_grad():
        before, _ = log_probs(reference, packed)
    every, counts = _all_log_probs(model, packed)
    pairs = 2 * packed.targets
    now, count = every[:pairs].view(-1, 2), counts[:pairs].view(-1, 2)
    ratio = now - before
    delta = ratio[:, 0] - ratio[:, 1]
    spoken = (-now[:, 0] / count[:, 0]).mean()
    loss = pair_loss(delta, recipe).mean() + recipe.likelihood * spoken
    if packed.written:
        loss = loss - recipe.written * (every[pairs:] / counts[pairs:]).mean()
    (loss / recipe.episodes).backward()
    right = (delta > 0).float() + 0.5 * (delta == 0).float()
    return loss.item(), right.mean().item()


def _mean(figures: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(loss for loss, _ in figures) / len(figures), sum(right for _, right in figures) / len(figures)
