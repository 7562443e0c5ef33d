"""Trees: a prompt once and its responses as branches give the log-probabilities and gradients of sequences one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from attune.data import Snapshot
from attune.policies import head
from attune.policies.base import load_base
from attune.policies.batches import Encoder, Tokens, collate, log_probs, tensors
from attune.policies.examples import Example
from attune.policies.head import headless, token_log_probs
from attune.policies.settings import PolicySettings
from attune.policies.trainer import fit_policy
from attune.policies.trees import ALIGNED, KNOWN, log_probs_of_trees, takes_trees, trees, visible
from tests.attune.policies.conftest import LONG, SHORT

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's

VOCABULARY = 61
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "sliding_window": None,
}


def drawn(kind: str, **shape: object) -> Any:
    """A small model of that architecture with drawn weights and a frozen head."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**SHAPE, **shape})).eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, 0.2)
    model.get_output_embeddings().weight.requires_grad_(False)
    return model


@pytest.fixture
def forest() -> tuple[list[Tokens], list[list[int]]]:
    """Eleven sequences of five prompts, one of them with three responses; lengths from one token to thirty."""
    rng = Random(0)

    def some(count: int) -> list[int]:
        return [rng.randrange(3, VOCABULARY) for _ in range(count)]

    prompts = [some(length) for length in (1, 30, 9, 4, 17)]
    owners = [*range(5), *range(5), 2]
    sequences = []
    for owner in owners:
        response = some(rng.randint(1, 25))
        sequences.append(Tokens(prompts[owner], response, [rng.choice((1.0, 2.5)) for _ in response]))
    return sequences, [[place for place, each in enumerate(owners) if each == owner] for owner in range(5)]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", sorted(KNOWN))
def test_every_known_architecture_computes_the_same(
    kind: str, attention: str, forest: tuple[list[Tokens], list[list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "SLICE_BYTES", 4 * VOCABULARY * 7)  # several slices, the last one not full
    model, (sequences, grouped) = drawn(kind, attn_implementation=attention), forest
    assert takes_trees(model)
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    pull = torch.randn(len(sequences), generator=torch.Generator().manual_seed(1))

    def found(summed: Tensor) -> tuple[Tensor, list[Tensor]]:
        return summed.detach(), list(torch.autograd.grad((summed * pull).sum(), learnt))

    expected, slopes = found(log_probs(model, tensors(sequences, 0)))
    as_trees, tree_slopes = found(log_probs_of_trees(model, trees(sequences, grouped, 0), len(sequences)))
    torch.testing.assert_close(as_trees, expected, atol=1e-3, rtol=1e-5)
    for one, other in zip(tree_slopes, slopes, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_trees_share_rows_no_longer_than_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = [
        Tokens([5] * prompt, [6] * response, [1.0] * response) for prompt, response in ((9, 4), (3, 3), (2, 3))
    ]
    monkeypatch.setattr("attune.policies.trees.ALIGNED", 8)
    table = trees(sequences, [[0], [1], [2]], 0)
    assert table["ids"].tolist() == [[5] * 9 + [6] * 3 + [0] * 4, [5, 5, 5, 6, 6, 5, 5, 6, 6] + [0] * 7]
    assert table["positions"][1].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3] + [0] * 7
    assert table["source"].tolist() == [8, 9, 10, 11, 18, 19, 20, 22, 23, 24]
    seen = visible(table["tree"], table["branch"])[:, 0]
    assert seen.any(-1).all()  # a row of a mask in which nothing is seen would be no number
    assert seen[1, 8].tolist() == [False] * 5 + [True] * 4 + [False] * 7


def test_a_response_does_not_see_its_rival() -> None:
    pair = [Tokens([5, 6], [7, 8, 9], [1.0] * 3), Tokens([5, 6], [10, 11, 12], [1.0] * 3)]
    table = trees(pair, [[0, 1]], 0)
    seen = visible(table["tree"], table["branch"])[0, 0]
    assert table["ids"][0, :6].tolist() == [5, 6, 7, 8, 10, 11]
    assert table["ids"].shape == (1, ALIGNED)
    assert seen[5, :6].tolist() == [True, True, False, False, True, True]


def test_a_tree_has_one_prompt() -> None:
    with pytest.raises(ValueError, match="the 2 responses of a tree have different prompts"):
        trees([Tokens([5], [7], [1.0]), Tokens([6], [7], [1.0])], [[0, 1]], 0)


def test_log_probabilities_by_hand() -> None:
    """Logits (2, 0): p = σ(2) of the first; its derivative is W_0 − Σ p W."""
    hidden = torch.tensor([[2.0, 0.0]], requires_grad=True)
    found = token_log_probs(hidden, torch.eye(2), torch.tensor([0]))
    share = torch.sigmoid(torch.tensor(2.0))
    assert found.item() == pytest.approx(share.log().item())
    found.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad[0].tolist() == pytest.approx([1 - share.item(), share.item() - 1])
    with torch.no_grad():
        assert not token_log_probs(hidden, torch.eye(2), torch.tensor([1])).requires_grad


def test_the_head_is_put_back_whatever_happens() -> None:
    model = drawn("llama")
    before = model.get_output_embeddings()
    with headless(model) as weight:
        assert weight is before.weight
        assert model.get_output_embeddings() is not before

    def fail() -> None:
        with headless(model):
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert model.get_output_embeddings() is before


def test_what_may_not_take_trees() -> None:
    assert takes_trees(get_peft_model(drawn("llama"), LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM")))
    assert not takes_trees(drawn("mistral", sliding_window=16))
    assert not takes_trees(drawn("gemma", head_dim=8))
    learns_its_head = drawn("llama")
    learns_its_head.get_output_embeddings().weight.requires_grad_(True)
    assert not takes_trees(learns_its_head)


def test_a_batch_with_rankings_and_reasons_is_the_same(micro: Path) -> None:
    base = load_base(str(micro))
    ask = ({"role": "user", "content": "How?"},)
    settings = PolicySettings(rationales="nll")
    examples = [
        Example(ask, SHORT[0], LONG[0], "u", rationale="It is short.", between=(SHORT[2], LONG[3]), tiers=(0, 1, 2, 3)),
        Example(ask, SHORT[1], LONG[1], "u", between=(SHORT[3],), tiers=(0, 1, 1)),
    ]
    rows = Encoder(base.tokenizer, settings, context=256).rows(examples, chosen_first=[True, False])
    table, as_trees = (collate(rows, base.tokenizer.pad_token_id, as_trees=each) for each in (False, True))
    base.model.get_output_embeddings().weight.requires_grad_(False)
    for prefix in ("", "reason_"):
        torch.testing.assert_close(table[f"{prefix}lengths"], as_trees[f"{prefix}lengths"])
        with torch.no_grad():
            expected, found = (log_probs(base.model, each, prefix) for each in (table, as_trees))
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def figures_of_a_run(micro: Path, judged: Snapshot, folder: Path, recompute: bool) -> Mapping[str, float]:
    settings = PolicySettings(
        base=str(micro), epochs=1, batch=4, rank=4, learning_rate=1e-2, samples=0, held_out=0.2, recompute=recompute
    )
    return fit_policy(judged, settings, out=folder / "out", work=folder / "work").metrics


@pytest.mark.parametrize("recompute", [False, True])
def test_a_run_on_trees_is_the_same_run(
    recompute: bool, micro: Path, judged: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for vocabulary in (10_000, 0):
        monkeypatch.setattr("attune.policies.trees.SMALL_VOCABULARY", vocabulary)
        found.append(figures_of_a_run(micro, judged, tmp_path / str(vocabulary), recompute))
    for name in ("train_loss", "held_out_loss", "held_out_margin", "entanglement"):
        assert found[1][name] == pytest.approx(found[0][name], rel=1e-3, abs=1e-4), name


@pytest.mark.on_a_gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("recompute", [False, True])
def test_a_gpu_learns_what_a_cpu_does(
    recompute: bool, micro: Path, judged: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bfloat16, and so not to the last digit."""
    found = []
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        found.append(figures_of_a_run(micro, judged, tmp_path / str(there), recompute))
    assert found[0]["held_out_margin"] == pytest.approx(found[1]["held_out_margin"], rel=0.1)
    assert found[0]["train_loss"] == pytest.approx(found[1]["train_loss"], abs=0.03)
