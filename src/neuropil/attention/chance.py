"""Dropout whose choices cost little on a processor: 16 random bits a value, four values a drawn number."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd.function import once_differentiable

from neuropil.nn.dropout import Dropout

__all__ = ["QuickDropout", "kept", "share_kept"]

STEPS = 2**16
"""A rate is one of so many steps: 0.1 is 6554 / 65536."""


def share_kept(rate: float) -> float:
    """How much stays, to the step: what the others are divided by.

    Example:
        >>> share_kept(0.5), round(share_kept(0.1), 6)
        (0.5, 0.899994)
    """
    return 1 - round(rate * STEPS) / STEPS


def kept(shape: tuple[int, ...], rate: float, device: torch.device, generator: Generator | None = None) -> Tensor:
    """Which values stay, bool: each is left out with probability `rate`.

    Args:
        shape: of the values.
        rate: 0 up to but not including 1.
        device: of the values.
        generator: the source of random numbers; torch's global one where left out.
    """
    if device.type != "cpu":
        chosen: Tensor = torch.empty(shape, dtype=torch.bool, device=device)
        return chosen.bernoulli_(share_kept(rate), generator=generator)
    count = math.prod(shape)
    drawn = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None, generator=generator)
    return (drawn.view(torch.int16)[:count] >= round(rate * STEPS) - STEPS // 2).view(shape)


class QuickDropout(Dropout):
    """Dropout of today, `x` left out or divided by the share that stays; quick on a processor.

    Source: Srivastava et al. 2014, section 10.
    Formula: `m x / (1 - rate)`, one draw a value.

    Shape:
        any -> the same.

    Args:
        rate: the share of values left out, 0 (none) up to but not including 1.

    Raises:
        InputError: a rate outside [0, 1).

    Differs:
        `torch.nn.Dropout` draws other numbers; in distribution they are the same, but for a rate in steps of 1/65536.

    Example:
        >>> set(QuickDropout(0.5)(torch.ones(1000)).tolist()) == {0.0, 2.0}
        True
    """

    def __init__(self, rate: float) -> None:
        super().__init__(rate, "inverted", per="sample")

    def _drop_as_torch(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling() or x.device.type != "cpu" or not round(self.rate * STEPS):
            return super()._drop_as_torch(x)
        found: Tensor = _LeftOut.apply(x, kept(tuple(x.shape), self.rate, x.device), 1 / share_kept(self.rate))  # type: ignore[no-untyped-call]
        return found


class _LeftOut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        found: Tensor = torch.ops.aten.native_dropout_backward(x, mask, scale)  # x m s, in one pass
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return torch.ops.aten.native_dropout_backward(grad, mask, ctx.scale), None, None
