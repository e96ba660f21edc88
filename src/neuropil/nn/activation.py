"""Activations: what each unit does to its sum. Those that torch has are in `neuropil.nn.ACTIVATIONS` as its own."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.compiled.serving import gelu_loops, learns_in_bfloat16
from neuropil.nn import ACTIVATIONS

__all__ = [
    "RECTIFIERS", "SQUASHERS", "ActivationName", "HardSigmoid", "ScaledTanh", "Softmax", "TanhGELU",
    "flat_ends", "leaky_relu", "make_activation",
]  # fmt: skip

ActivationName = Literal[
    "relu", "sigmoid", "tanh", "scaled_tanh", "relu6", "leaky_relu", "prelu",
    "silu", "gelu", "gelu_tanh", "hard_sigmoid", "hard_swish",
]  # fmt: skip
"""The activations of hidden layers; softmax stands after the last layer only."""


class HardSigmoid(nn.Module):
    """The sigmoid in three straight pieces, which need no exponential.

    Source: Howard et al. 2019, "Searching for MobileNetV3", section 5.2.
    Formula: `min(max(0, x + 3), 6) / 6`.

    Shape:
        any -> the same.

    Differs:
        `torch.nn.Hardsigmoid` has no second derivative, and holds the slope of 1/6 in single precision only.

    Example:
        >>> HardSigmoid()(torch.tensor([-4.0, 0.0, 3.0])).tolist()
        [0.0, 0.5, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Squash each value."""
        return F.relu6(x + 3) / 6


class ScaledTanh(nn.Module):
    """A tanh that keeps +1 and -1 in place, so that targets of +-1 lie where its second derivative is largest.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", equation 6 and appendix A.
    Formula: `1.7159 tanh(2 x / 3)`.

    Shape:
        any -> the same.

    Example:
        >>> ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0])).round(decimals=3).tolist()
        [-1.0, 0.0, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Squash each value."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Softmax(nn.Module):
    """Probabilities over the classes, from logits: the chapter's "SM", after the last layer.

    Formula: `exp(x_k) / sum_j exp(x_j)` over axis 1.

    Shape:
        `[N, K]` or `[N, K, ...]` -> the same.

    Differs:
        Networks here return logits and leave softmax to the task, because `log(softmax(x))` is only exact in one piece.

    Example:
        >>> Softmax()(torch.zeros(1, 4)).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the classes."""
        return torch.softmax(x, dim=1)


RECTIFIERS: tuple[type[nn.Module], ...] = (nn.ReLU, nn.ReLU6)
"""Activations whose units can die."""

SQUASHERS: dict[type[nn.Module], tuple[float, float]] = {
    nn.Sigmoid: (0.0, 1.0), HardSigmoid: (0.0, 1.0), nn.Hardsigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0),
    ScaledTanh: (-1.7159, 1.7159),
}  # fmt: skip
"""Activations whose units can saturate, with the least and the greatest value of each."""

FLAT_SHARE = 0.015
"""Of the range, from either end: there the slope is below a sixteenth of the steepest."""


def flat_ends(layer: nn.Module) -> tuple[float, float] | None:
    """The values of a squashing activation below and above which it is flat; `None` for another layer.

    A recurrent layer's states are squashed by tanh, but for those with ReLU.

    Example:
        >>> flat_ends(nn.Tanh()), flat_ends(nn.ReLU())
        ((-0.97, 0.97), None)
    """
    if isinstance(layer, nn.RNNBase):
        low, high = (0.0, 0.0) if layer.mode == "RNN_RELU" else (-1.0, 1.0)
    else:
        low, high = next((ends for kind, ends in SQUASHERS.items() if isinstance(layer, kind)), (0.0, 0.0))
    margin = FLAT_SHARE * (high - low)
    return (low + margin, high - margin) if high > low else None


def leaky_relu(slope: float = 0.1) -> nn.LeakyReLU:
    """`x` above 0, `slope x` below.

    Source: Redmon et al. 2016, "You only look once", equation 2.

    Differs:
        The slope is YOLO's 0.1; torch's default, from Maas et al. 2013, is 0.01.

    Example:
        >>> leaky_relu()(torch.tensor([-1.0, 1.0])).tolist()
        [-0.10000000149011612, 1.0]
    """
    return nn.LeakyReLU(slope)


class TanhGELU(nn.GELU):
    """`x Phi(x)` with the normal distribution's Phi approximated by a tanh, as GPT-2 has it.

    Where a network learns in bfloat16 on a processor, and Numba is installed, a compiled loop does it.

    Source: Hendrycks and Gimpel 2016, section 2.
    Formula: `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.

    Shape:
        any -> the same.

    Example:
        >>> round(TanhGELU()(torch.tensor(1.0)).item(), 4)  # the exact one gives 0.8413
        0.8412
    """

    def __init__(self) -> None:
        super().__init__("tanh")

    def forward(self, x: Tensor) -> Tensor:
        """Bend each value."""
        loops = gelu_loops() if learns_in_bfloat16(x) else None
        if loops is None:
            return super().forward(x)
        found: Tensor = _ByLoops.apply(x, loops)  # type: ignore[no-untyped-call]
        return found


class _ByLoops(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, loops: ModuleType) -> Tensor:
        ctx.save_for_backward(x)
        ctx.loops = loops
        found: Tensor = loops.gelu_tanh(x)
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted
            return torch.ops.aten.gelu_backward(grad, x, approximate="tanh"), None
        return ctx.loops.gelu_tanh_back(x, grad), None


def make_activation(name: str) -> nn.Module:
    """A fresh activation layer by its name in the catalogue.

    Raises:
        InputError: the catalogue has no such activation.

    Example:
        >>> make_activation("tanh")
        Tanh()
    """
    layer: nn.Module = ACTIVATIONS.build(name)
    return layer
