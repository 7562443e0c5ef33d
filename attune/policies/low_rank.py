"""A layer with its adapter, x ↦ Wx + c + s·B(Ax), as one operation that knows its own derivative.

PEFT composes it of small steps that change the kind of number, wait in the graph for their derivative and are added up on the way back; beside a
small model, and with activations computed again, starting them takes a GPU longer than the arithmetic. Here they are three products forth and five back,
in the numbers that the layer itself computes with (Hu et al. 2022, *LoRA*, equation 3):

    h = xAᵀ,  y = xWᵀ + c + s·hBᵀ;    ∂h = s·∂y·B,  ∂A = ∂hᵀx,  ∂B = s·∂yᵀh,  ∂x = ∂y·W + ∂h·A
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.nn.functional import linear


class _LowRank(torch.autograd.Function):
    """x (N, …, D), frozen weight (O, D) and bias (O,), a (R, D), b (O, R) → (N, …, O)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        y = linear(x, weight, bias)
        x, a, b = x.to(y.dtype), a.to(y.dtype), b.to(y.dtype)
        inner = linear(x, a)
        y.view(-1, len(b)).addmm_(inner.flatten(0, -2), b.t(), alpha=scale)
        ctx.save_for_backward(x, weight, a, b, inner)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, inner = ctx.saved_tensors
        slope = above[0].flatten(0, -2)
        inner_slope = (slope @ b).mul_(ctx.scale)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = (slope @ weight.to(slope.dtype)).addmm_(inner_slope, a).view(x.shape)
        to_a, to_b = inner_slope.t() @ x.flatten(0, -2), (slope.t() @ inner.flatten(0, -2)).mul_(ctx.scale)
        return to_x, None, None, to_a, to_b, None


def _forward(layer: Linear, base: nn.Linear, a: nn.Linear, b: nn.Linear, scale: float, x: Tensor) -> Tensor:
    """The layer with its adapter, or without where that is switched off."""
    if layer.disable_adapters:
        return base(x)  # type: ignore[no-any-return]
    return _LowRank.apply(x, base.weight, base.bias, a.weight, b.weight, scale)  # type: ignore[no-any-return,no-untyped-call]


def quicken(model: Any) -> None:
    """Give plain LoRA layers, frozen but for one adapter that is not merged, the operation above; all others stay as PEFT made them."""
    for layer in model.modules():
        if isinstance(layer, Linear) and _plain(layer):
            (name,) = layer.active_adapters
            how: Any = layer.base_layer, layer.lora_A[name], layer.lora_B[name], layer.scaling[name]
            layer.forward = partial(_forward, layer, *how)  # type: ignore[method-assign]


def _plain(layer: Linear) -> bool:
    return (
        type(layer.base_layer) is nn.Linear
        and not any(each.requires_grad for each in layer.base_layer.parameters())
        and len(layer.active_adapters) == len(layer.lora_A) == 1
        and not layer.merged
        and not layer.lora_variant
        and not any(layer.lora_bias.values())
        and all(isinstance(each, nn.Identity) for each in layer.lora_dropout.values())
    )
