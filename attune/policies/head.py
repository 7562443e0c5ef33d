"""Log-probabilities of tokens straight from hidden states, a few at a time: the logits of a whole batch are never there at once.

With a vocabulary of 150,000 the logits of one batch take more memory than a small model. Here a slice of tokens goes through the head,
leaves its log-probabilities and, where something is to be learnt, their derivative by the hidden states, and is gone. The derivative
is linear in what comes from above, so that nothing is computed again on the way back:

    ∂ log p(y|h)/∂h = W_y − Σ_v p(v|h) W_v
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

SLICE_BYTES = 2**28
"""Of the float32 logits of one slice."""


class _TokenLogProbs(torch.autograd.Function):
    """hidden (M, H), weight (V, H), goal (M,) → (M,) float32. The weight is taken as given and gets no gradient."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, goal: Tensor, learns: bool) -> Tensor:
        found = hidden.new_empty(len(hidden), dtype=torch.float32)
        slope = torch.empty_like(hidden) if learns else None
        size = max(1, SLICE_BYTES // (4 * len(weight)))
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), size):
                place = slice(start, start + size)
                logits = _product(hidden[place], weight)
                wanted = goal[place, None]
                total = logits.logsumexp(1, keepdim=True)
                found[place] = (logits.gather(1, wanted) - total).squeeze(1)
                if slope is not None:
                    share = logits.sub_(total).exp_().to(weight.dtype)
                    slope[place] = weight[goal[place]] - share @ weight
        ctx.save_for_backward(slope)
        return found

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, None, None, None]:
        (slope,) = ctx.saved_tensors
        return (None if slope is None else (above[0][:, None] * slope).to(slope.dtype)), None, None, None


def _product(hidden: Tensor, weight: Tensor) -> Tensor:
    """hidden · weightᵀ in float32; a GPU adds up in float32 anyway and need not round what it has."""
    if hidden.device.type == "cuda" and weight.dtype != torch.float32:
        return torch.mm(hidden, weight.t(), out_dtype=torch.float32)
    return torch.mm(hidden, weight.t()).float()


def token_log_probs(hidden: Tensor, weight: Tensor, goal: Tensor) -> Tensor:
    """log p of each goal (M,) from the hidden states (M, H) before it under a frozen head (V, H); float32."""
    learns = hidden.requires_grad and torch.is_grad_enabled()
    found: Tensor = _TokenLogProbs.apply(hidden.to(weight.dtype), weight, goal, learns)  # type: ignore[no-untyped-call]
    return found


@contextmanager
def headless(model: Any) -> Iterator[Tensor]:
    """The weight of a causal LM's head, and the model without it: what its forward calls logits are the hidden states.

    The forward of the model itself is used, since wrappers (of PEFT, of several processes) hook into it.
    """
    head = model.get_output_embeddings()
    model.set_output_embeddings(nn.Identity())
    try:
        yield head.weight
    finally:
        model.set_output_embeddings(head)
