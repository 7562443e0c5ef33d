"""Responses to one prompt as a tree: the prompt is computed once, its responses branch off, and trees share rows.

A pair has its prompt twice in a batch of sequences, and what is shorter than the longest is filled up. Here a token sees its prompt
and its own response and nothing else, which a mask holds, so that a row can carry several trees; rows are as long as the longest tree.
(Sharing the prompt of a pair: Wang & Hegde 2024, *Accelerating Direct Preference Optimization with Prefix Sharing*.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from attune.policies.head import headless, token_log_probs

if TYPE_CHECKING:
    from attune.policies.batches import Tokens

KNOWN = frozenset({"gpt_neox", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"})
"""Architectures that take a mask of their own and positions, and whose logits are their head's and nothing more; tested one by one."""
ALIGNED = 64
"""Rows are as long as a multiple of this: attention copies a mask of odd length in every layer, and a GPU's libraries look for the best
kernel whenever they see a new shape."""
SMALL_VOCABULARY = 8192
NAMES = ("ids", "positions", "tree", "branch", "source", "goal", "owner", "weights")


@dataclass(slots=True)
class _Row:
    """Trees side by side. ``source`` are places in this row, from which the ``goal`` tokens are predicted."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    tree: list[int] = field(default_factory=list)
    branch: list[int] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    goal: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, tree: int, owners: Sequence[int], responses: Sequence[Tokens]) -> None:
        """A tree's prompt and responses. The last token of a response predicts nothing and is left out."""
        prompt = responses[0].prompt
        if any(each.prompt != prompt for each in responses):
            raise ValueError(f"the {len(responses)} responses of a tree have different prompts; expected one")
        end = len(self.ids) + len(prompt)
        self._tokens(prompt, 0, tree, 0)
        for branch, (owner, each) in enumerate(zip(owners, responses, strict=True), start=1):
            start = len(self.ids)
            self._tokens(each.response[:-1], len(prompt), tree, branch)
            self.source += [end - 1, *range(start, len(self.ids))]
            self.goal += each.response
            self.owner += [owner] * len(each.response)
            self.weights += each.weights

    def _tokens(self, ids: Sequence[int], position: int, tree: int, branch: int) -> None:
        self.ids += ids
        self.positions += range(position, position + len(ids))
        self.tree += [tree] * len(ids)
        self.branch += [branch] * len(ids)


def trees(sequences: Sequence[Tokens], grouped: Sequence[Sequence[int]], filler: int) -> dict[str, Tensor]:
    """N sequences, of which those ``grouped`` have one prompt, in G rows of length T, filled up with the token ``filler``.

    ``ids``, ``positions``, ``tree`` (−1 on padding) and ``branch`` (0 in a prompt) are (G, T); ``source`` places in all rows,
    ``goal`` tokens, ``owner`` sequences and ``weights`` are (M,), one for each token of a response.
    """
    sizes = [_size([sequences[owner] for owner in owners]) for owners in grouped]
    longest, rows, room = max(sizes), list[_Row](), list[int]()
    for tree in sorted(range(len(grouped)), key=lambda each: -sizes[each]):
        fits = next((place for place, left in enumerate(room) if left >= sizes[tree]), None)
        if fits is None:
            fits = len(rows)
            rows.append(_Row())
            room.append(longest)
        rows[fits].add(tree, grouped[tree], [sequences[owner] for owner in grouped[tree]])
        room[fits] -= sizes[tree]
    return _tensors(rows, filler)


def _size(responses: Sequence[Tokens]) -> int:
    return len(responses[0].prompt) + sum(len(each.response) - 1 for each in responses)


def _tensors(rows: Sequence[_Row], filler: int) -> dict[str, Tensor]:
    fillers = {"ids": filler, "positions": 0, "tree": -1, "branch": 0}
    found = {
        name: pad_sequence([torch.tensor(getattr(row, name)) for row in rows], batch_first=True, padding_value=value)
        for name, value in fillers.items()
    }
    length = -(-found["ids"].shape[1] // ALIGNED) * ALIGNED
    found = {name: pad(each, (0, length - each.shape[1]), value=fillers[name]) for name, each in found.items()}
    sources = [torch.tensor(row.source) + place * length for place, row in enumerate(rows)]
    flat = {
        name: torch.cat([torch.tensor(getattr(row, name)) for row in rows]) for name in ("goal", "owner", "weights")
    }
    return found | flat | {"source": torch.cat(sources)}


def visible(tree: Tensor, branch: Tensor) -> Tensor:
    """(G, 1, T, T): whether a token sees another one: itself, and those before it of its prompt and of its own response."""
    length = tree.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=tree.device).tril()
    same = tree[:, :, None] == tree[:, None]
    along = (branch[:, None] == 0) | (branch[:, :, None] == branch[:, None])
    return (before & same & along)[:, None]


def log_probs_of_trees(model: Any, batch: dict[str, Tensor], count: int) -> Tensor:
    """Weighted sums of the response tokens' log-probabilities of ``count`` sequences, (N,), float32."""
    with headless(_inner(model)) as weight:
        hidden_from = ~visible(batch["tree"], batch["branch"])
        states = model(
            input_ids=batch["ids"],
            position_ids=batch["positions"],
            attention_mask=weight.new_zeros(hidden_from.shape).masked_fill(hidden_from, torch.finfo(weight.dtype).min),
            use_cache=False,
        ).logits
    each = token_log_probs(states.flatten(0, 1)[batch["source"]], weight, batch["goal"])
    return each.new_zeros(count).index_add(0, batch["owner"], each * batch["weights"])


def takes_trees(model: Any) -> bool:
    """Whether the model, under its wrappers, is of a known architecture whose tokens may see all before them, with a frozen head."""
    inner = _inner(model)
    config: Any = inner.config
    head: Any = inner.get_output_embeddings()
    windows = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    layers = set(getattr(config, "layer_types", None) or ())
    return (
        config.model_type in KNOWN
        and not windows
        and layers <= {"full_attention"}
        and config._attn_implementation in ("sdpa", "eager")  # noqa: SLF001 (there is no public way to ask)
        and type(head) is nn.Linear  # and not one that an adapter has wrapped
        and getattr(head, "bias", None) is None
        and not head.weight.requires_grad
    )


def trees_pay(model: Any, device: torch.device) -> bool:
    """On a GPU always. A CPU takes sequences of like length a few at a time; there trees save little but the logits of a large vocabulary."""
    return device.type != "cpu" or len(_inner(model).get_output_embeddings().weight) > SMALL_VOCABULARY


def _inner(model: Any) -> Any:
    """The causal LM under the wrappers of processes and adapters."""
    inner = getattr(model, "module", model)
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner
