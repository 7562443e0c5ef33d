"""Meta-training: episodes of one annotator each, in which every judgment is predicted from those before it. Needs torch.

On a CPU the episodes of a step are computed one after the other, on a GPU side by side; the step is the same.

    Δ = [log π(c|x,C) − log π(r|x,C)] − [log π_ref(c|x,C) − log π_ref(r|x,C)],   summed over tokens
    ipo: (Δ − 1/2β)²  (FSPO's; Azar et al. 2023, equation 17)      dpo: −log σ(βΔ)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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

from attune.fspo.packing import Packed, together

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


def log_probs(model: Any, packed: Packed) -> tuple[Tensor, Tensor]:
    """Summed log-probabilities and numbers of tokens of each target's preferred and other text, both (targets, 2)."""
    summed, count = _all_log_probs(model, packed)
    return summed[: 2 * packed.targets].view(-1, 2), count[: 2 * packed.targets].view(-1, 2)


def _all_log_probs(model: Any, packed: Packed) -> tuple[Tensor, Tensor]:
    """The same of every text, descriptions too, (2 · targets + written,)."""
    states = model.model(
        input_ids=packed.ids, position_ids=packed.positions, attention_mask=packed.visible(), use_cache=False
    ).last_hidden_state.flatten(0, 1)
    each = -cross_entropy(model.lm_head(states[packed.source]), packed.goal, reduction="none")
    nothing = each.new_zeros(2 * packed.targets + packed.written)
    return nothing.index_add(0, packed.text, each), nothing.index_add(0, packed.text, torch.ones_like(each))


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
    model: Any, reference: Any, episodes: Iterable[Packed], recipe: Recipe, report: Report
) -> dict[str, float]:
    """Train ``model`` near ``reference``, on a GPU where there is one; the mean loss and the accuracy of the last tenth of the
    steps. Both models are back on the CPU afterwards."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device), reference.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.01)
    source = iter(episodes)
    figures: list[tuple[float, float]] = []
    model.train()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            decay = 0.05 + 0.95 * 0.5 * (1 + cos(pi * step / recipe.steps))
            group["lr"] = recipe.rate * min(1.0, (step + 1) / WARM_UP) * decay
        drawn = [next(source) for _ in range(recipe.episodes)]
        at_once = [drawn] if device.type == "cuda" else [[each] for each in drawn]
        said = [_learn(model, reference, together(each, len(drawn)).to(device), recipe) for each in at_once]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss, right = torch.stack(said).sum(0).tolist()
        figures.append((loss, right))
        report(step + 1, {"loss": loss, "accuracy": right})
    model.eval()
    model.cpu(), reference.cpu()
    loss, right = np.mean(figures[-max(1, recipe.steps // 10) :], axis=0).tolist()
    return {"train_loss": loss, "train_accuracy": right}


def _learn(model: Any, reference: Any, packed: Packed, recipe: Recipe) -> Tensor:
    """Add the episodes' gradient; their share in the step's loss and in how many targets are ranked right, (2,)."""
    with torch.no_grad():
        before, _ = log_probs(reference, packed)
    every, counts = _all_log_probs(model, packed)
    pairs = 2 * packed.targets
    now, count = every[:pairs].view(-1, 2), counts[:pairs].view(-1, 2)
    ratio = now - before
    delta = ratio[:, 0] - ratio[:, 1]
    spoken = -now[:, 0] / count[:, 0]
    loss = packed.share @ (pair_loss(delta, recipe) + recipe.likelihood * spoken)
    if packed.written:
        loss = loss - recipe.written * (packed.written_share @ (every[pairs:] / counts[pairs:]))
    loss.backward()
    right = (delta > 0).float() + 0.5 * (delta == 0).float()
    return torch.stack([loss.detach(), packed.share @ right])
