"""The chapter's ways to start weights and their kin, each as a draw into one weight, and one call for a network.

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
from torch.nn.modules.conv import _ConvNd

from neuropil.nn import INITIALIZATIONS

__all__ = [
    "HasFans",
    "InitializationName",
    "delta_orthogonal",
    "glorot_normal",
    "he",
    "he_truncated",
    "initialize",
    "lenet",
    "orthogonal",
    "small_random",
    "truncated_normal",
    "uniform",
    "xavier",
]

InitializationName = Literal[
    "small_random", "uniform", "xavier", "glorot_normal", "he", "he_truncated", "lenet",
    "truncated_normal", "orthogonal", "delta_orthogonal",
]  # fmt: skip

TRUNCATED_DEVIATION = 0.87962566103423978
"""Standard deviation of N(0, 1) after cutting at two deviations."""


@runtime_checkable
class HasFans(Protocol):
    """A layer whose weight has parts with connections of their own (a connection table, stacked gates)."""

    def weight_fans(self) -> Iterable[tuple[Tensor, int, int]]:
        """Views of the weight, each with the fan-in and fan-out of its units."""
        ...

    def biases(self) -> Iterable[Tensor]:
        """What starts at 0."""
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


def truncated_normal(
    weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None, *, deviation: float = 0.02
) -> None:
    """`N(0, deviation^2)`, drawn again beyond two deviations. Source: Devlin et al. 2018, BERT's published code.

    Differs:
        As Keras' `TruncatedNormal`, not widened again: the values deviate by 0.88 `deviation`. timm's and torch's
        `trunc_normal_` cut at +-2, which for 0.02 is no cut at all.
    """
    nn.init.trunc_normal_(weight, 0, deviation, -2 * deviation, 2 * deviation, generator=generator)


def orthogonal(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """Units at right angles, each of length 1: what passes neither shrinks nor grows.

    Source: Saxe, McClelland and Ganguli 2013, section 3.

    Differs:
        The same draws as `torch.nn.init.orthogonal_`, in any memory layout and half precision. A wide matrix has
        orthogonal rows, a tall one orthogonal columns.
    """
    drawn = torch.empty(weight.shape, device=weight.device, dtype=torch.promote_types(weight.dtype, torch.float32))
    nn.init.orthogonal_(drawn, generator=generator)
    weight.copy_(drawn)


def delta_orthogonal(weight: Tensor, fan_in: int, fan_out: int, generator: Generator | None = None) -> None:
    """Orthogonal at the centre of each kernel, 0 elsewhere: a convolution that keeps the length of what it reads.

    Source: Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs", algorithm 1.

    Differs:
        The paper asks for at least as many maps out as in; with fewer, the rows are orthogonal and length is lost.
    """
    weight.zero_()
    centre = weight
    for size in reversed(weight.shape[2:]):
        centre = centre[..., size // 2]
    orthogonal(centre, fan_in, fan_out, generator)


@torch.no_grad()
def initialize(module: nn.Module, scheme: str, generator: Generator | None = None) -> nn.Module:
    """Start every weight of a network by one scheme; biases at 0, scales of normalization at 1, their averages empty.

    Fans count the connections into and out of one unit, each position of a kernel as one: groups have fans of their
    own, dilation and stride change none. Of recurrent layers each gate's matrices for the input and for the state are
    weights of their own, and so are query, key and value of attention. An embedding has a fan-in of 1, as one of its
    rows is read at a time. Other layers keep their own start.

    Args:
        module: a layer or a whole network, changed in place.
        scheme: a name in `neuropil.nn.INITIALIZATIONS`.
        generator: the source of random numbers; torch's global one where left out.

    Returns:
        the same module.

    Raises:
        InputError: the catalogue has no such scheme.

    Differs:
        `torch.nn.init` counts the fan-out of a convolution with groups over all its maps, though an input map reaches
        those of its group only (timm divides, as here); it reads a transposed convolution's fans the wrong way round;
        and it takes stacked gates for one matrix.

    Example:
        >>> layer = initialize(nn.Linear(200, 300), "he", torch.Generator().manual_seed(1))
        >>> round(layer.weight.std().item(), 3)  # sqrt(2 / 200)
        0.1
    """
    draw = INITIALIZATIONS.builder(scheme)
    for layer in module.modules():
        if isinstance(layer, _NormBase | nn.GroupNorm | nn.LayerNorm | nn.RMSNorm):
            layer.reset_parameters()
            continue
        for weight, fan_in, fan_out in _parts(layer):
            draw(weight, fan_in, fan_out, generator)
        for zero in _zeros(layer):
            zero.zero_()
    return module


def _parts(layer: nn.Module) -> Iterable[tuple[Tensor, int, int]]:
    """The weights of one layer, each with the connections into and out of one of its units."""
    if isinstance(layer, HasFans):
        return layer.weight_fans()
    if isinstance(layer, nn.Linear):
        return [(layer.weight, layer.in_features, layer.out_features)]
    if isinstance(layer, _ConvNd):
        positions = layer.weight[0, 0].numel()
        maps_in, maps_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
        return [(layer.weight, maps_in * positions, maps_out * positions)]
    if isinstance(layer, nn.Embedding):
        return [(layer.weight, 1, layer.embedding_dim)]
    if not isinstance(layer, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention):
        return []
    size = layer.embed_dim if isinstance(layer, nn.MultiheadAttention) else layer.hidden_size
    matrices = [weight for weight in layer.parameters(recurse=False) if weight.ndim == 2]
    return [(part, part.shape[1], part.shape[0]) for weight in matrices for part in torch.split(weight, size)]


def _zeros(layer: nn.Module) -> list[Tensor]:
    """What starts at 0: the biases of one layer, and the row of an embedding that stands for padding."""
    if isinstance(layer, nn.Embedding):
        return [] if layer.padding_idx is None else [layer.weight[layer.padding_idx]]
    if isinstance(layer, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention):
        return [bias for bias in layer.parameters(recurse=False) if bias.ndim == 1]
    if isinstance(layer, HasFans):
        return list(layer.biases())
    if isinstance(layer, nn.Linear | _ConvNd) and layer.bias is not None:
        return [layer.bias]
    return []
