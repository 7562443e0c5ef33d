"""An adapter's part of a layer, x ↦ y + s·B(Ax), as one operation that knows its own derivative.

PEFT's way there is some thirty small steps a layer, forth and back, most of which change the kind of number or wait in the graph for their
derivative. Beside a small model they take longer than the arithmetic: on a GPU the time goes into starting them. Here it is two products forth
and four back, in the numbers that the layer itself computes with (Hu et al. 2022, *LoRA*, equation 3):

    h = xAᵀ,  y' = y + s·hBᵀ;    ∂h = s·∂y'·B,  ∂A = ∂hᵀx,  ∂B = s·∂y'ᵀh,  ∂x = ∂hA
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn


class _LowRank(torch.autograd.Function):
    """y (N, …, O), x (N, …, D), a (R, D), b (O, R) → y + s·(xaᵀ)bᵀ, written into y, which nothing else may need."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        inner = x.flatten(0, -2) @ a.t()
        y.view(len(inner), -1).addmm_(inner, b.t(), alpha=scale)
        ctx.mark_dirty(y)
        ctx.save_for_backward(x, a, b, inner)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, ...]:
        x, a, b, inner = ctx.saved_tensors
        slope = above[0].flatten(0, -2)
        inner_slope = (slope @ b).mul_(ctx.scale)
        to_x = (inner_slope @ a).view(x.shape) if ctx.needs_input_grad[1] else None
        to_b = (slope.t() @ inner).mul_(ctx.scale)
        return above[0], to_x, inner_slope.t() @ x.flatten(0, -2), to_b, None


def _forward(layer: Linear, x: Tensor) -> Tensor:
    """The layer with its adapter, or without where that is switched off."""
    found: Tensor = layer.base_layer(x)
    if layer.disable_adapters:
        return found
    (name,), kind = layer.active_adapters, found.dtype
    a, b = (each[name].weight.to(kind) for each in (layer.lora_A, layer.lora_B))
    with torch.autocast(x.device.type, enabled=False):  # all four are of one kind already
        return _LowRank.apply(found, x.to(kind), a, b, layer.scaling[name])  # type: ignore[no-any-return,no-untyped-call]


def quicken(model: Any) -> None:
    """Give plain LoRA layers, of one adapter that is not merged, the operation above; all others stay as PEFT made them."""
    for layer in model.modules():
        if isinstance(layer, Linear) and _plain(layer):
            layer.forward = partial(_forward, layer)  # type: ignore[method-assign]


def _plain(layer: Linear) -> bool:
    return (
        type(layer.base_layer) is nn.Linear
        and len(layer.active_adapters) == len(layer.lora_A) == 1
        and not layer.merged
        and not layer.lora_variant
        and not any(layer.lora_bias.values())
        and all(isinstance(each, nn.Identity) for each in layer.lora_dropout.values())
    )
