"""The chapter's ways to start weights, each as a draw into one weight, and one call for a whole network.

Source: chapter, "Weight initialization". Every draw is written in place as `draw(weight, fan_in, fan_out, generator)`,
where `fan_in` and `fan_out` are the connections into and out of one unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from neuropil.nn import INITIALIZATIONS

__all__ = [
    "HasFans",
    "InitializationName",
    "glorot_normal",
    "he",
    "he_truncated",
    "initialize",
    "lenet",
    "small_random",
    "uniform",
    "xavier",
]

InitializationName = Literal["small_random", "uniform", "xavier", "glorot_normal", "he", "he_truncated", "lenet"]

TRUNCATED_DEVIATION = 0.87962566103423978
"""Standard deviation of N(0, 1) after cutting at two deviations."""


@runtime_checkable
class HasFans(Protocol):
    """A layer whose weight has parts with connections of their own (a connection table, stacked gates)."""

    bias: Tensor | None

    def weight_fans(self) -> Iterable[tuple[Tensor, int, int]]:
        """Views of the weight, each with the fan-in and fan-out of its units."""
        ...


def small_random(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """Values near zero: `N(0, 0.01^2)`, whatever the layer's size."""
    weight.normal_(0, 0.01, generator=generator)


def uniform(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """The chapter's uniform start: `U(-b, b)` with `b = sqrt(6 / (fan_in + fan_out))`.

    Source: Glorot and Bengio 2010, equation 16.

    Differs:
        The same as `torch.nn.init.xavier_uniform_`; the chapter keeps the name Xavier for another form.
    """
    bound = math.sqrt(6 / (fan_in + fan_out))
    weight.uniform_(-bound, bound, generator=generator)


def xavier(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """The chapter's Xavier start: `N(0, 1) / sqrt(fan_in)`.

    Differs:
        Known elsewhere as LeCun's normal. `torch.nn.init.xavier_normal_` is `glorot_normal` here.
    """
    weight.normal_(0, math.sqrt(1 / fan_in), generator=generator)


def glorot_normal(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """The paper's Xavier start: `N(0, 2 / (fan_in + fan_out))`. Source: Glorot and Bengio 2010, equation 12."""
    weight.normal_(0, math.sqrt(2 / (fan_in + fan_out)), generator=generator)


def he(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """He's start for ReLU: `N(0, 1) / sqrt(fan_in / 2)`. Source: He et al. 2015, "Delving deep", equation 10.

    Differs:
        torchvision's networks use `fan_out` in its place.
    """
    weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)


def he_truncated(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """He's start cut at two deviations and widened again to `sqrt(2 / fan_in)`, as Keras' `HeNormal` has it."""
    deviation = math.sqrt(2 / fan_in) / TRUNCATED_DEVIATION
    nn.init.trunc_normal_(weight, 0, deviation, -2 * deviation, 2 * deviation, generator=generator)


def lenet(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """The start of LeNet-5: `U(-2.4 / fan_in, 2.4 / fan_in)`. Source: LeCun et al. 1998, appendix A."""
    weight.uniform_(-2.4 / fan_in, 2.4 / fan_in, generator=generator)


@torch.no_grad()
def initialize(module: nn.Module, scheme: str, generator: Generator | None = None) -> nn.Module:
    """Start every weight of a network by one scheme; biases at 0, scales of normalization at 1, their averages empty.

    Layers that are neither linear, convolution nor normalization keep their own start.

    Args:
        module: a layer or a whole network, changed in place.
        scheme: a name in `neuropil.nn.INITIALIZATIONS`.
        generator: the source of random numbers; torch's global one where left out.

    Returns:
        the same module.

    Raises:
        InputError: the catalogue has no such scheme.

    Example:
        >>> layer = initialize(nn.Linear(200, 300), "he", torch.Generator().manual_seed(1))
        >>> round(layer.weight.std().item(), 3)  # sqrt(2 / 200)
        0.1
    """
    draw = INITIALIZATIONS.builder(scheme)
    for layer in module.modules():
        if isinstance(layer, _NormBase | nn.GroupNorm | nn.LayerNorm):
            layer.reset_parameters()
            continue
        if isinstance(layer, HasFans):
            parts = layer.weight_fans()
        elif isinstance(layer, nn.Linear | _ConvNd):
            parts = [_fans(layer)]
        else:
            continue
        for weight, fan_in, fan_out in parts:
            draw(weight, fan_in, fan_out, generator)
        if layer.bias is not None:
            layer.bias.zero_()
    return module


def _fans(layer: nn.Linear | _ConvNd) -> tuple[Tensor, int, int]:
    """A layer's weight with its fan-in and fan-out: connections of one unit, each position of a kernel counted."""
    weight = layer.weight
    positions = weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * positions, weight.shape[0] * positions
    return (weight, fan_out, fan_in) if isinstance(layer, _ConvTransposeNd) else (weight, fan_in, fan_out)
