"""Tokens of examples, batches of them, and the log-probabilities of responses.

A batch's sequences are the B chosen responses, then the B rejected ones, then those that rankings put between the two. As a table,
prompts are padded on the left and responses on the right, so that all responses begin in one column and only their logits are computed;
as trees (``attune.policies.trees``), responses of one row share their prompt.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from attune.errors import BadData
from attune.policies.directions import directed_prompt
from attune.policies.examples import Example
from attune.policies.losses import Pairs, Ranked
from attune.policies.prompts import Message, describing_prompt, few_shot_prompt, rationale_prompt
from attune.policies.settings import PolicySettings
from attune.policies.trees import NAMES, log_probs_of_trees, trees

SEQUENCES = ("input_ids", "attention_mask", "position_ids", "weights")
CPU_SEQUENCES = 4
"""How many sequences a CPU computes at a time."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A prompt's tokens and a response's, with each response token's weight in the sum of log-probabilities."""

    prompt: list[int]
    response: list[int]
    weights: list[float]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(slots=True)
class Row:
    """One example in tokens. The reference's log-probabilities, and the origin's of self-play, are filled in once, before the
    first step."""

    chosen: Tokens
    rejected: Tokens
    reason: Tokens | None
    example: Example
    ref_chosen: float = 0.0
    ref_rejected: float = 0.0
    between: tuple[Tokens, ...] = ()
    ref_between: tuple[float, ...] = ()
    origin: tuple[float, float] | None = None
    reader: Tokens | None = None
    """The description of the reader after what asks for it, where the policy learns to write it."""


class Encoder:
    """Turns examples into rows with one tokenizer. Counts what does not fit."""

    def __init__(self, tokenizer: Any, settings: PolicySettings, *, context: int, discount: float = 1.0) -> None:
        self.tokenizer, self.settings, self.discount = tokenizer, settings, discount
        self.limit = min(settings.max_length, context)
        self.too_long = 0
        self.shots_dropped = 0
        self.longest = 0

    def rows(self, examples: Sequence[Example], *, chosen_first: Sequence[bool]) -> list[Row]:
        """Rows of the examples that fit; ``chosen_first`` is the drawn order of the responses in rationale prompts.

        Raises ``BadData`` where none fits.
        """
        found = [self._row(each, first) for each, first in zip(examples, chosen_first, strict=True)]
        rows = [row for row in found if row is not None]
        if examples and not rows:
            raise BadData(
                f"None of the {len(examples)} judgments fits into {self.limit} tokens (the longest prompt with its"
                f" response has {self.longest}); raise max_length or choose a base model with a longer context."
            )
        return rows

    def _row(self, example: Example, chosen_first: bool) -> Row | None:
        chosen, rejected, between = self._texts(example)
        longest = max(map(len, (chosen, rejected, *between)))
        if longest > self.limit and example.shots:
            self.shots_dropped += 1
            return self._row(replace(example, shots=example.shots[:-1]), chosen_first)
        self.longest = max(self.longest, longest)
        if longest > self.limit:
            self.too_long += example.judged
            return None
        return Row(
            chosen,
            rejected,
            self._reason(example, chosen_first),
            example,
            between=between,
            reader=self._reader(example),
        )

    def _texts(self, example: Example) -> tuple[Tokens, Tokens, tuple[Tokens, ...]]:
        """Chosen, rejected, and what a ranking puts between them."""
        asked: Sequence[Message] = example.conversation
        if example.shots or example.reader:
            asked = few_shot_prompt(asked, example.shots, example.reader)
        if example.direction:
            asked = directed_prompt(asked, example.direction)
        chosen = self._told(asked, example.chosen, example.chosen_spans)
        rejected = self._told(asked, example.rejected, example.rejected_spans)
        return chosen, rejected, tuple(self._told(asked, each, ()) for each in example.between)

    def _reason(self, example: Example, chosen_first: bool) -> Tokens | None:
        if self.settings.rationales not in ("nll", "published") or not example.rationale:
            return None
        asked = rationale_prompt(example.conversation, example.chosen, example.rejected, chosen_first=chosen_first)
        reason = self._sequence(self._prompt(asked), example.rationale, ())
        return reason if len(reason) <= self.limit else None

    def _reader(self, example: Example) -> Tokens | None:
        if self.settings.describe != "written" or not (example.shots and example.reader):
            return None
        written = self._sequence(self._prompt(describing_prompt(example.shots)), example.reader, ())
        return written if len(written) <= self.limit else None

    def _told(self, conversation: Sequence[Message], text: str, spans: Sequence[tuple[int, int]]) -> Tokens:
        if self.settings.method == "cpl" and any(each["role"] == "assistant" for each in conversation):
            return self._segment(conversation, text)
        return self._sequence(self._prompt(conversation), text, spans)

    def _segment(self, conversation: Sequence[Message], text: str) -> Tokens:
        """A whole conversation as one segment: its t-th reply weighs discount^t, what others said weighs nothing."""
        first = next(place for place, each in enumerate(conversation) if each["role"] == "assistant")
        prompt = self._prompt(conversation[:first])
        talk = [*conversation, {"role": "assistant", "content": text}]
        response: list[int] = []
        weights: list[float] = []
        turn = 0
        for place in range(first, len(talk)):
            if talk[place]["role"] != "assistant":
                continue
            if turn:
                asked = self._prompt(talk[:place])
                between = asked[len(prompt) + len(response) :]
                response, weights = response + between, weights + [0.0] * len(between)
            reply = self._sequence([], talk[place]["content"], ()).response
            response, weights = response + reply, weights + [self.discount**turn] * len(reply)
            turn += 1
        return Tokens(prompt, response, weights)

    def _prompt(self, conversation: Sequence[Message]) -> list[int]:
        text = self.tokenizer.apply_chat_template(list(conversation), tokenize=False, add_generation_prompt=True)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _sequence(self, prompt: list[int], text: str, spans: Sequence[tuple[int, int]]) -> Tokens:
        if not spans or self.settings.span_weight == 1.0:
            ids = [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id]
            return Tokens(prompt, ids, [1.0] * len(ids))
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        weights = [
            self.settings.span_weight if any(start < right and left < end for left, right in spans) else 1.0
            for start, end in encoded["offset_mapping"]
        ]
        return Tokens(prompt, [*encoded["input_ids"], self.tokenizer.eos_token_id], [*weights, 1.0])


def collate(rows: Sequence[Row], pad: int, *, as_trees: bool = False) -> dict[str, Any]:
    """A batch: the chosen responses, the rejected ones and those between them in rankings, as a table or ``as_trees``; the reasons
    where there are any; and what was said."""
    between = [each for row in rows for each in row.between]
    sequences = [row.chosen for row in rows] + [row.rejected for row in rows] + between
    batch: dict[str, Any] = _laid_out(sequences, _of_rows(rows), pad, as_trees)
    reference = [row.ref_chosen for row in rows] + [row.ref_rejected for row in rows]
    batch["reference"] = torch.tensor(reference + [each for row in rows for each in row.ref_between])
    batch["weight"] = torch.tensor([row.example.weight for row in rows])
    batch["judged"] = torch.tensor([float(row.example.judged) for row in rows])
    if between:
        batch |= _rankings(rows)
    batch["target"] = torch.tensor([row.example.target for row in rows])
    batch["degree"] = torch.tensor([row.example.degree for row in rows])
    batch["both_bad"] = torch.tensor([row.example.both_bad for row in rows])
    batch["group"] = torch.tensor([row.example.group for row in rows])
    for name, known in (("wins", [row.example.wins for row in rows]), ("origin", [row.origin for row in rows])):
        if all(known):
            batch[name] = torch.tensor(known)
    for name in ("reason", "reader"):
        said = [each for row in rows if (each := getattr(row, name)) is not None]
        if said:
            laid_out = _laid_out(said, [(place,) for place in range(len(said))], pad, as_trees)
            batch |= {f"{name}_{key}": value for key, value in laid_out.items()}
    return batch


def _laid_out(
    sequences: Sequence[Tokens], grouped: Sequence[Sequence[int]], pad: int, as_trees: bool
) -> dict[str, Tensor]:
    """``tensors``, or ``trees`` of the sequences that are ``grouped``; with either the responses' ``lengths`` (N,)."""
    table = trees(sequences, grouped, pad) if as_trees else tensors(sequences, pad)
    return {**table, "lengths": torch.tensor([float(len(each.response)) for each in sequences])}


def _of_rows(rows: Sequence[Row]) -> list[tuple[int, ...]]:
    """Which of a batch's sequences are each row's, best first."""
    found, start = [], 2 * len(rows)
    for place, row in enumerate(rows):
        found.append((place, *range(start, start + len(row.between)), len(rows) + place))
        start += len(row.between)
    return found


def _rankings(rows: Sequence[Row]) -> dict[str, Tensor]:
    """``order`` (B, K): where each ranking's responses, best first, stand in the batch; ``tiers`` (B, K), −1 on padding."""
    order = [torch.tensor(each) for each in _of_rows(rows)]
    tiers = [torch.tensor(row.example.tiers) for row in rows]
    return {
        "order": pad_sequence(order, batch_first=True),
        "tiers": pad_sequence(tiers, batch_first=True, padding_value=-1),
    }


def tensors(sequences: Sequence[Tokens], pad: int) -> dict[str, Tensor]:
    """N sequences: input_ids, attention_mask, position_ids (N, P + R) and weights (N, R) of the response tokens."""
    prompt = max(len(each.prompt) for each in sequences)
    response = max(len(each.response) for each in sequences)
    ids = torch.full((len(sequences), prompt + response), pad)
    mask = torch.zeros_like(ids)
    weights = torch.zeros(len(sequences), response)
    for place, each in enumerate(sequences):
        start, end = prompt - len(each.prompt), prompt + len(each.response)
        ids[place, start:end] = torch.tensor(each.prompt + each.response)
        mask[place, start:end] = 1
        weights[place, : len(each.response)] = torch.tensor(each.weights)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "weights": weights}


def log_probs(model: Any, batch: Mapping[str, Tensor], prefix: str = "") -> Tensor:
    """Weighted sums of the response tokens' log-probabilities, (N,).

    On a CPU a few sequences of like length go through the model at a time, so that little of what it computes is padding.
    """
    if f"{prefix}tree" in batch:
        return log_probs_of_trees(
            model, {name: batch[f"{prefix}{name}"] for name in NAMES}, len(batch[f"{prefix}lengths"])
        )
    ids, mask, positions, weights = (batch[f"{prefix}{name}"] for name in SEQUENCES)
    if ids.device.type != "cpu" or len(ids) <= CPU_SEQUENCES:
        return _log_probs(model, ids, mask, positions, weights=weights)
    order = mask.sum(1).argsort(stable=True)
    parts = []
    for places in order.split(CPU_SEQUENCES):
        start = ids.shape[1] - weights.shape[1]  # where all responses begin
        response = int(mask[places, start:].sum(1).max())
        prompt = int(mask[places, :start].sum(1).max())
        columns = slice(start - prompt, start + response)
        cut = [each[places, columns] for each in (ids, mask, positions)]
        parts.append(_log_probs(model, *cut, weights=weights[places, :response]))
    return torch.cat(parts)[order.argsort()]


def _log_probs(model: Any, ids: Tensor, mask: Tensor, positions: Tensor, *, weights: Tensor) -> Tensor:
    width = weights.shape[1]
    keep = {"logits_to_keep": width + 1} if _keeps(model) else {}
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, **keep).logits
    answers = logits[:, -width - 1 : -1].float()  # (N, R, V)
    nll = cross_entropy(answers.flatten(0, 1), ids[:, -width:].flatten(), reduction="none")
    return -(nll.view(weights.shape) * weights).sum(1)


def pairs_of(batch: Mapping[str, Tensor], summed: Tensor) -> Pairs:
    """What the losses read, from a batch and its log-probabilities: (2B,), and those between the ends of rankings after them."""
    ends = 2 * len(batch["target"])
    chosen, rejected = summed[:ends].chunk(2)
    ref_chosen, ref_rejected = batch["reference"][:ends].chunk(2)
    chosen_length, rejected_length = batch["lengths"][:ends].chunk(2)
    ratios = summed - batch["reference"]
    ranked = Ranked(ratios[batch["order"]], batch["tiers"]) if "order" in batch else None
    return Pairs(
        chosen,
        rejected,
        ref_chosen,
        ref_rejected,
        chosen_length,
        rejected_length,
        batch["target"],
        batch["degree"],
        batch["both_bad"],
        ranked,
        batch.get("wins"),
        batch.get("origin"),
    )


def by_row(batch: Mapping[str, Tensor], values: Tensor) -> list[list[float]]:
    """Values of a batch's responses, (2B + …,), row by row and best first."""
    if "order" not in batch:
        return torch.stack(values.chunk(2), 1).tolist()
    present = batch["tiers"] >= 0
    return [values[order[here]].tolist() for order, here in zip(batch["order"], present, strict=True)]


def _keeps(model: Any) -> bool:
    """Whether the model under its wrappers can leave the prompt's logits out."""
    inner = getattr(model, "module", model)
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
