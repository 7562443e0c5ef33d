"""An adapter's part as one operation: the same figures and gradients as PEFT's own way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from attune.policies.low_rank import quicken


class _Layers(nn.Module):
    """Two layers, the first one's input learnt by nobody, and something between them that keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(12, 20), nn.Linear(20, 7)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.second(nn.functional.silu(self.first(x)))
        return found


def adapted(**options: object) -> nn.Module:
    """The two layers with drawn adapters."""
    torch.manual_seed(0)
    model: nn.Module = get_peft_model(
        _Layers(),
        LoraConfig(r=3, lora_alpha=5, target_modules=["first", "second"], **options),  # type: ignore[arg-type]
    )
    for name, weight in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight, std=0.3)
    return model


def slopes(model: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """What the model says, and the derivatives of a drawn sum of it by the input and every adapter."""
    x = x.clone().requires_grad_()
    said = model(x)
    pull = torch.randn(said.shape, generator=torch.Generator().manual_seed(2))
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    yield said.detach()
    yield from torch.autograd.grad((said * pull).sum(), [x, *learnt])


@pytest.mark.parametrize("shape", [(4, 12), (2, 5, 12)])
@pytest.mark.parametrize(("bfloat16", "apart"), [(False, 1e-5), (True, 0.02)])
def test_the_same_as_in_small_steps(shape: tuple[int, ...], bfloat16: bool, apart: float) -> None:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    model = adapted()
    with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
        expected = list(slopes(model, x))
        quicken(model)
        found = list(slopes(model, x))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert (one - other).norm() <= apart * other.norm()


def test_a_switched_off_adapter_adds_nothing() -> None:
    model, x = adapted(), torch.randn(3, 12)
    quicken(model)
    with model.disable_adapter():  # type: ignore[operator]
        alone = model(x)
    torch.testing.assert_close(alone, _of_the_base(model, x))
    assert not torch.allclose(alone, model(x))


def _of_the_base(model: nn.Module, x: Tensor) -> Tensor:
    base = model.get_base_model()  # type: ignore[operator]
    found: Tensor = base.second.base_layer(nn.functional.silu(base.first.base_layer(x)))
    return found


@pytest.mark.parametrize("options", [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}])
def test_other_adapters_stay_as_they_are(options: dict[str, object]) -> None:
    model = adapted(**options)
    quicken(model)
    assert not any("forward" in vars(layer) for layer in model.modules())
