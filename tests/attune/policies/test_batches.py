"""Tokens and log-probabilities: padding changes nothing, spans and turns weigh what they should."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from attune.data import Judgment, Response, Snapshot
from attune.policies.base import load_base
from attune.policies.batches import Encoder, lengths, log_probs, tensors
from attune.policies.examples import TIES_METHODS, Example, conversation_of, examples_of
from attune.policies.losses import METHODS
from attune.policies.settings import METHODS as NAMES
from attune.policies.settings import PolicySettings

ASK = ({"role": "user", "content": "How?"},)


def encoder(micro: Path, discount: float = 1.0, **settings: object) -> Encoder:
    base = load_base(str(micro))
    return Encoder(base.tokenizer, PolicySettings(**settings), context=256, discount=discount)  # type: ignore[arg-type]


def test_padding_changes_no_log_probability(micro: Path) -> None:
    base = load_base(str(micro))
    enc = Encoder(base.tokenizer, PolicySettings(), context=256)
    long = ({"role": "user", "content": "How would you do it, if you had to do it now?"},)
    rows = enc.rows(
        [Example(ASK, "Go now.", "Yes, soon.", "u"), Example(long, "No.", "Try it once.", "u")], chosen_first=[True] * 2
    )
    sequences = [each for row in rows for each in (row.chosen, row.rejected)]
    with torch.no_grad():
        together = log_probs(base.model, tensors(sequences, base.tokenizer.pad_token_id))
        alone = [log_probs(base.model, tensors([each], base.tokenizer.pad_token_id)).item() for each in sequences]
    assert together.tolist() == pytest.approx(alone, abs=1e-4)
    assert lengths(tensors(sequences, 0)).tolist() == [len(each.response) for each in sequences]


def test_log_probabilities_are_those_of_the_model(micro: Path) -> None:
    base = load_base(str(micro))
    (row,) = Encoder(base.tokenizer, PolicySettings(), context=256).rows(
        [Example(ASK, "Go now.", "No.", "u")], chosen_first=[True]
    )
    ids = torch.tensor([row.chosen.prompt + row.chosen.response])
    with torch.no_grad():
        logs = base.model(ids).logits.log_softmax(-1)[0]
        found = log_probs(base.model, tensors([row.chosen], 2)).item()
    start = len(row.chosen.prompt)
    expected = sum(logs[place - 1, ids[0, place]].item() for place in range(start, ids.shape[1]))
    assert found == pytest.approx(expected, abs=1e-4)


def test_marked_tokens_weigh_more(micro: Path) -> None:
    enc = encoder(micro, span_weight=3.0)
    example = Example(ASK, "Go now. Yes, soon.", "No.", "u", chosen_spans=((0, 7),))
    (row,) = enc.rows([example], chosen_first=[True])
    marked = [
        weight for weight, token in zip(row.chosen.weights, row.chosen.response, strict=True) if weight == 3.0 and token
    ]
    assert 0 < len(marked) < len(row.chosen.weights)
    assert row.chosen.weights[0] == 3.0
    assert row.chosen.weights[-1] == 1.0
    assert set(row.rejected.weights) == {1.0}


def test_turns_are_discounted(micro: Path) -> None:
    enc = encoder(micro, discount=0.5, method="cpl")
    talk = (*ASK, {"role": "assistant", "content": "Go now."}, {"role": "user", "content": "And then?"})
    (row,) = enc.rows([Example(talk, "Yes.", "No.", "u")], chosen_first=[True])
    weights = row.chosen.weights
    assert set(weights) == {1.0, 0.0, 0.5}
    assert weights == sorted(weights, key=lambda each: (1.0, 0.0, 0.5).index(each))
    whole = enc.tokenizer.apply_chat_template([*talk, {"role": "assistant", "content": "Yes."}], tokenize=False)
    assert enc.tokenizer(whole, add_special_tokens=False)["input_ids"] == row.chosen.prompt + row.chosen.response


def test_conversations_come_back_from_flat_text() -> None:
    flat = "user: Hi.\n\nassistant: Hello.\nHow are you?\n\nuser: Fine."
    assert [each["role"] for each in conversation_of(flat)] == ["user", "assistant", "user"]
    assert conversation_of(flat)[1]["content"] == "Hello.\nHow are you?"
    assert conversation_of("Just asking: why?") == ({"role": "user", "content": "Just asking: why?"},)


def test_the_names_known_without_torch_are_the_registered_ones() -> None:
    assert set(NAMES) == METHODS.keys()
    assert {name for name, method in METHODS.items() if method.ties} == TIES_METHODS


def test_spans_of_a_snapshot_reach_the_side_they_were_marked_on() -> None:
    responses = {key: Response(key, "How?", text) for key, text in (("x", "Go now, please."), ("y", "No."))}
    said = Judgment("u", "x", "y", "b", spans=("a-0:6", "b+0:2"))
    other = Judgment("u", "y", "x", "b")
    found = examples_of(Snapshot(responses, (said, other), "d"), method="dpo", held_out=0.0, seed=0)
    assert (found.train[0].chosen, found.train[0].chosen_spans) == ("No.", ((0, 2),))
    assert found.train[0].rejected_spans == ((0, 6),)
