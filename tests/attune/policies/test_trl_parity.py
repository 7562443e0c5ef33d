"""The same model and batch through TRL's DPOTrainer and through ours: loss and gradient to 1e-5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from attune.policies.base import load_base
from attune.policies.batches import Encoder, collate, log_probs, pairs_of
from attune.policies.examples import Example
from attune.policies.losses import METHODS, Options
from attune.policies.settings import PolicySettings
from tests.attune.policies.conftest import LONG, SHORT

trl = pytest.importorskip("trl")

EXAMPLES = [
    Example(({"role": "user", "content": f"Question {number}?"},), SHORT[number], LONG[number], "u")
    for number in range(4)
]
SAME = {
    # ours: (TRL's loss_type, our options, TRL's)
    "dpo": ("sigmoid", {"beta": 0.3}, {"beta": 0.3}),
    "hinge": ("hinge", {"beta": 0.3}, {"beta": 0.3}),
    "ipo": ("ipo", {"beta": 0.3}, {"beta": 0.3}),
    "rdpo": ("robust", {"beta": 0.3, "noise": 0.2}, {"beta": 0.3, "label_smoothing": 0.2}),
    "sppo": ("sppo_hard", {"beta": 0.3}, {"beta": 0.3}),
}


@pytest.fixture(scope="module")
def batch(micro: Path) -> dict[str, Any]:
    """Our batch, with the reference's log-probabilities: the model before it was moved."""
    base = load_base(str(micro))
    rows = Encoder(base.tokenizer, PolicySettings(), context=256).rows(EXAMPLES, chosen_first=[True] * 4)
    found = collate(rows, base.tokenizer.pad_token_id)
    with torch.no_grad():
        found["reference"] = log_probs(base.model, found)
    found["rows"] = rows
    return found


def moved(model: Any) -> Any:
    """The model a little off its reference, by a fixed draw."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator))
    return model


def gradient(model: Any) -> torch.Tensor:
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(SAME))
def test_loss_and_gradient(name: str, micro: Path, batch: dict[str, Any], tmp_path: Path) -> None:
    from datasets import Dataset

    loss_type, ours, theirs = SAME[name]
    model = moved(load_base(str(micro)).model)
    pairs = pairs_of(batch, log_probs(model, batch))
    loss = METHODS[name].loss(pairs, Options(**ours)).mean()
    loss.backward()

    other = load_base(str(micro))
    config = trl.DPOConfig(
        output_dir=str(tmp_path),
        loss_type=[loss_type],
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        max_length=None,
        **theirs,
    )
    rows = [
        {
            "prompt": list(each.conversation),
            "chosen": [{"role": "assistant", "content": each.chosen}],
            "rejected": [{"role": "assistant", "content": each.rejected}],
        }
        for each in EXAMPLES
    ]
    trainer = trl.DPOTrainer(
        model=moved(other.model),
        ref_model=load_base(str(micro)).model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=other.tokenizer,
    )
    told = [
        {"prompt_ids": row.chosen.prompt, "chosen_ids": row.chosen.response, "rejected_ids": row.rejected.response}
        for row in batch["rows"]
    ]
    their_loss = trainer.compute_loss(trainer.model.train(), trainer.data_collator(told))
    their_loss.backward()

    assert loss.item() == pytest.approx(their_loss.item(), abs=1e-5, rel=1e-5)
    found, expected = gradient(model), gradient(trainer.model)
    assert (found - expected).abs().max() <= 1e-5 * max(1.0, expected.abs().max().item())


def test_the_gradient_is_not_nothing(micro: Path, batch: dict[str, Any]) -> None:
    """Or agreement would say little."""
    model = moved(load_base(str(micro)).model)
    METHODS["dpo"].loss(pairs_of(batch, log_probs(model, batch)), Options(beta=0.3)).mean().backward()
    assert gradient(model).abs().max() > 1e-2
